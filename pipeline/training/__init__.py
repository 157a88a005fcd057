"""One training, plainly: its data, seeds, budget and losses, and the reference loop.

Both speeds and all measures of solutions start from here; ``loop`` is the file to read first. torch
and numpy alone.
"""
