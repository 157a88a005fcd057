"""From tables to answers: pure functions of data frames."""
