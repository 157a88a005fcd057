"""What ``confirm`` trains beside the winners: short branches of larger batches from moments of a
training."""
