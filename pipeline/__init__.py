"""Which batch size and learning rate: stages, and a folder for what each needs."""
