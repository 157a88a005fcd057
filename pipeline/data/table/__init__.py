"""A user's own table: read, surveyed, encoded, split."""
