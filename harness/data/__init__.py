"""Which data a person chooses, read and validated, as tensors.

Nothing is scaled or trained here, and nothing is recorded.
"""
