"""Batchwise: which batch size and learning rate for this model, this data and this machine."""
