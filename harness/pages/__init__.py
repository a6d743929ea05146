"""What every HTML page is made with: the style sheet, templates, and interactive figures.

No numbers are read or computed here.
"""
