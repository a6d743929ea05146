"""A config goes in, a stream of epochs comes out.

No input or output, no MLflow, no Optuna, and no knowledge of who asked for the run.
"""
