"""Where pieces of a stage's work run: in processes here, on a Ray cluster, or as Slurm jobs."""
