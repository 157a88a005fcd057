"""The analysis, run where the answer is known; no stage uses it."""
