"""Stage ``preprocess``: from a source to data/processed.

Numpy, pandas, Arrow and scikit-learn; no torch, and nothing of what trains.
"""
