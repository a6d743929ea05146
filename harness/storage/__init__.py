"""Databases as files and servers: checked, created atomically, locked.

Nothing here knows what is stored in them.
"""
