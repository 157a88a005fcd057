"""One reader for each kind of source that is no table."""
