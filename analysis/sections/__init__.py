"""The figures and tables of each claim, and what concerns several claims.

No verdict is decided here.
"""
