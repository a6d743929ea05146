"""Puts the parts together: a report of claims, of a study, or of the worked examples.

The command lines above it only parse options.
"""
