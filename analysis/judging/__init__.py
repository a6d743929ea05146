"""Measures, statistics and verdicts: from evidence to numbers.

It draws and formats nothing.
"""
