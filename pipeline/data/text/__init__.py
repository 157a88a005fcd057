"""From a text to windows of tokens."""
