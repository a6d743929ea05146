"""A search: its space, its Optuna study, its trials, its winner and its page.

It knows nothing of claims.
"""
