"""A claim, its file and its replication.

It knows nothing of studies, and judges nothing: `analysis` does.
"""
