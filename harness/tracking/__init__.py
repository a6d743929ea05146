"""All code that uses MLflow: names, readers, writers, retries, the spool.

It decides nothing about trials or claims.
"""
