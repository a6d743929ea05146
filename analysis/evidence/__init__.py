"""Reads the runs of claims and studies from MLflow as DataFrames, and refuses what is not acceptable.

It computes no statistics.
"""
