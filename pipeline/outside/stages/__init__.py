"""The mains of the stages where another program trains."""
