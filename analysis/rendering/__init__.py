"""Style, plots, texts, tables and pages.

It computes and judges nothing.
"""
