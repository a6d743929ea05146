"""The lesson as it is written: its loop, its worked examples, its exact statements.

Slow on purpose; the fast code is held to it, and does not import it.
"""
