"""Measurements of a run while it trains.

A probe changes no bit of the run that it watches.
"""
