"""Commands that measure; each prints a table with ratios from one run."""
