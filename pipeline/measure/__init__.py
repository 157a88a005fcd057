"""What a batch size costs on this machine."""
