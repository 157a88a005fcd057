"""One file for each figure: what is drawn, its caption, and the table with its numbers."""
