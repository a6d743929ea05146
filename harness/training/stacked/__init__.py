"""Runs of one shape trained together, with gradients written out as batched matrix products.

No result of a run may depend on what shares its stack.
"""
