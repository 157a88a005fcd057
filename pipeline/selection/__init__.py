"""Stage ``confirm``: the target, the winning rates, the budgets, the edges of the grid.

Pandas and scipy alone: tables in, tables out. The analysis builds on it.
"""
