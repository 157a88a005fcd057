"""A training program as a user might have one: noisy descent on a quadratic, no library needed.

python program.py --batch-size 16 --lr 0.1 --seed 0 --steps 300 --out curve.csv [--fault NAME]
"""

import argparse
import json
import math
import random
import sys
import time
from pathlib import Path

CURVATURES = [1 / k for k in range(1, 21)]


def curve(batch_size: int, lr: float, seed: int, steps: int) -> list[dict[str, float]]:
    """Evaluations a tenth apart, until the loss is no number any more."""
    rng, start = random.Random(seed), time.perf_counter()
    weights, rows, due = [1.0] * len(CURVATURES), [], 1.0
    for step in range(1, steps + 1):
        for place, h in enumerate(CURVATURES):
            noise = 0.5 * rng.gauss(0, 1) * math.sqrt(h / batch_size)
            weights[place] -= lr * (h * weights[place] + noise)
        if step >= due or step == steps:
            loss = sum(h * w * w for h, w in zip(CURVATURES, weights, strict=True)) / 2
            if not loss < 1e6:
                return [*rows, {"step": step, "val_loss": math.nan}]
            row = {"step": step, "val_loss": loss, "test_score": 1 - loss}
            rows.append({**row, "seconds": time.perf_counter() - start})
            due = max(step + 1, due * 1.1)
    return rows


def as_csv(rows: list[dict[str, float]]) -> str:
    """The rows as a CSV."""
    names = list(rows[0])
    lines = [",".join(str(row.get(name, "")) for name in names) for row in rows]
    return "\n".join([",".join(names), *lines]) + "\n"


def write_slowly(out: Path, text: str) -> None:
    """Write line by line, as a long training does, each time with a piece of the next."""
    lines = text.splitlines(keepends=True)
    for count in range(1, len(lines)):
        out.write_text("".join(lines[:count]) + lines[count][:3])
        time.sleep(0.1)


def faulty(rows: list[dict[str, float]], fault: str) -> list[dict[str, float]]:
    """The rows with a fault."""
    if fault == "short":
        return rows[: len(rows) // 2]
    if fault == "columns":
        return [{"iteration": row["step"], "loss": row["val_loss"]} for row in rows]
    return [*rows[:3], {**rows[3], "step": 1}, *rows[4:]] if fault == "backwards" else rows


def main() -> None:
    """Train, write, fail as asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--fault", default="")
    asked = parser.parse_args()
    rows = curve(asked.batch_size, asked.lr, asked.seed, asked.steps)
    fault = asked.fault
    if fault == "hangs":
        time.sleep(600)
    if fault == "nothing":
        return
    if fault == "large" and asked.batch_size >= 64:
        sys.exit("out of memory")
    if fault == "status":
        sys.exit("the data are not there")
    text = as_csv(faulty(rows, fault))
    if fault == "half":
        text = text[: len(text) // 2].rstrip("0123456789.").rstrip(",")
    if fault == "json":
        text = "".join(json.dumps(row) + "\n" for row in rows)
    if fault == "slow":
        write_slowly(asked.out, text)
    asked.out.write_text(text)
    if fault == "once":  # fails the first time of all that find this file
        marker = asked.out.parent / "failed_once"
        if not marker.exists():
            marker.touch()
            sys.exit("a flake")


if __name__ == "__main__":
    main()
