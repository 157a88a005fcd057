"""From a source to three scaled parts of a data set."""
