"""Stage ``find_rates``: what learning-rate finders see.

torch and numpy alone.
"""
