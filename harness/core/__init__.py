"""Values that everything may import: config, defaults, seeds, errors, paths.

No torch, no MLflow, no Optuna, and nothing that only one package needs.
"""
