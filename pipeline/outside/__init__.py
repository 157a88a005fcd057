"""Trainings of other programs: called one by one, or read from a table of runs that exist."""
