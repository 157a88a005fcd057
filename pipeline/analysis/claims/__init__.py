"""What people say about batch size, a function for each, tested on a ``Study``."""
