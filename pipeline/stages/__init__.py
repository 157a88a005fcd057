"""The DAG's commands: one thin main each, the only files that know argv and paths."""
