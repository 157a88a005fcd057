"""The typed shape of params.yaml, a file for each section.

Everybody reads it. It imports nothing of the project but refusals, and OmegaConf only where a
file is read.
"""
