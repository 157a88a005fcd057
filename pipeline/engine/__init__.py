"""Training the cells of one (variant, batch size)."""
