"""Which data the user chooses, read and validated, as tensors.

Nothing is scaled or trained here, and nothing is recorded.
"""
