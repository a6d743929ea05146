"""The lesson's worked examples with their checks, computed with torch.

They read no records and judge no claim.
"""
