"""The test scores that trainings tell; their solutions stay with the program.

Writes results/: evaluation.csv, and empty sharpness.csv, landscape.csv, gradient_noise.csv,
test_outcomes.safetensors.
"""

import pandas as pd

from pipeline.errors import command
from pipeline.outside import trainings, unmeasured
from pipeline.workspace import durations, files


@command
def main() -> None:
    """Read the fresh trainings, write."""
    results = files.RESULTS
    lanes = pd.read_parquet(results / "confirm_lanes.parquet")
    unmeasured.write("sharpness", "landscape", "gradient_noise")
    files.write_tensors(results / "test_outcomes.safetensors", {})
    files.write_csv(results / "evaluation.csv", trainings.evaluation(lanes))
    durations.record(results / "evaluation.csv")


if __name__ == "__main__":
    main()
