"""Whole studies from made-up trainings, and their reports."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis import curvature
from pipeline.analysis.measurements import Measurements
from pipeline.analysis.study import Study
from pipeline.params.load import Params
from pipeline.params.protocol import Confirm, Grid, Limits
from pipeline.reporting import sections
from pipeline.reporting.content import content_of
from pipeline.reporting.page import page
from pipeline.reporting.page.provenance import Provenance
from pipeline.selection import targets, winners
from pipeline.selection.keys import BUDGETS, CELL, RATE

SHAPES = [
    ((4, 16, 64), (0.01, 0.1, 1.0, 10.0), 3),
    ((4,), (0.1, 1.0), 2),
    ((4, 16), (1.0,), 3),
    ((4, 16), (0.1, 1.0), 1),
    ((64,), (1.0,), 1),
]
"""Batch sizes, rates and seeds of studies that a report must cope with."""
STEPS = np.array([1, 10, 100, 300])


def fresh(
    sizes: Sequence[int],
    rates: Sequence[float],
    seeds: int,
    variants: Sequence[str] = ("baseline",),
    diverging: float = 5.0,
    limits: Limits | None = None,
) -> Study:
    """A study from tables as the stages write them; rates from ``diverging`` on diverge."""
    params = Params(
        grid=Grid(list(variants), list(sizes), list(rates), seeds),
        variants={name: {} for name in variants},
        confirm=Confirm(3),
        limits=limits or Limits(),
    )
    cells = pd.DataFrame(
        [(v, b, lr, s) for v in variants for b in sizes for lr in rates for s in range(seeds)],
        columns=CELL,
    )
    lanes, history = trained(cells, diverging)
    screened = winners.by_rate(
        lanes, targets.curves(lanes, history, "val_score"), "val_score", 0.79
    )
    under_budgets = winners.under_budgets(screened, history)
    chosen = pd.concat([winners.winners(screened), under_budgets])
    confirmed_cells = chosen[RATE].drop_duplicates()
    confirmed_cells = confirmed_cells.merge(pd.DataFrame({"seed": [1000, 1001, 1002]}), how="cross")
    confirmed_lanes, confirmed = trained(confirmed_cells, diverging)
    measured = Measurements(
        history=history,
        lanes=lanes,
        selection=chosen.assign(metric="val_score", target=0.79),
        confirmed=confirmed,
        confirmed_lanes=confirmed_lanes,
        throughput=speed(cells),
        alignment=ALIGNMENT,
        data=DATA,
        **examined(confirmed_cells),
        **described(),
    )
    return Study(params, measured)


@functools.cache
def cached(*arguments: Any, **keys: Any) -> Study:
    """``fresh``, made once for all tests that ask for the same; sequences are tuples."""
    return fresh(*arguments, **keys)


def described() -> dict[str, pd.DataFrame]:
    """Features, classes and columns of the data."""
    features = pd.DataFrame({"feature": ["age", "income"], "mean": [40.0, 4e4], "sd": [9.0, 1e4]})
    quantiles = (("minimum", 0.1), ("q25", 0.9), ("median", 1), ("q75", 1.1), ("maximum", 3))
    features = features.assign(**{name: features["mean"] * share for name, share in quantiles})
    classes = pd.DataFrame({"class": ["a", "b"], "train": [40, 24], "val": 5, "test": 5})
    columns = pd.DataFrame(
        {"column": ["age", "income", "id"], "kind": ["number", "number", "dropped"],
         "missing": [0, 3, 0], "note": ["", "3 missing values became 9", "like an ID"]}
    )  # fmt: skip
    return {"features": features, "classes": classes, "columns": columns}


def examined(cells: pd.DataFrame) -> dict[str, Any]:
    """Evaluations, outcomes, sharpness, landscape and gradient noise."""
    scores = 0.9 + cells["seed"] % 3 / 100
    evaluation = cells.assign(test_score=scores, generalisation_gap=0.05, train_loss=0.1)
    evaluation = evaluation.merge(pd.DataFrame({"budget": BUDGETS}), how="cross")
    points = pd.DataFrame({"point": ["solution", "rescaled", "early", "equal loss"]})
    sharp = cells.merge(points, how="cross").assign(
        train_loss=0.1, **dict.fromkeys(curvature.MEASURES, 0.5)
    )
    path = pd.DataFrame({"path": ["line"] * 3 + ["slice"] * 3, "position": [-1.0, 0, 1] * 2})
    landscape = cells[["variant", "seed"]].drop_duplicates().merge(path, how="cross")
    landscape = landscape.assign(
        batch_size=cells["batch_size"].min(), other_batch_size=cells["batch_size"].max(),
        train_loss=0.1, train_score=0.9, test_loss=0.2, test_score=0.8,
    )  # fmt: skip
    noise = cells.drop_duplicates(["variant", "batch_size"])
    noise = noise.merge(pd.DataFrame({"moment": ["early", "end"]}), how="cross")
    noise = noise.merge(pd.DataFrame({"examples": [1, 2, 4, 8, 16, 32]}), how="cross").assign(
        population=64, cosine=0.5, gradient_norm=1.0, noise_scale=10.0, noise_scale_low=5.0,
        noise_scale_high=20.0,
    )  # fmt: skip
    return {
        "evaluation": evaluation,
        "outcomes": outcomes(cells),
        "sharpness": sharp,
        "landscape": landscape,
        "gradient_noise": noise.assign(relative_error=noise["examples"] ** -0.5),
    }


def outcomes(cells: pd.DataFrame) -> dict[str, np.ndarray]:
    """Which of 32 test examples each solution gets right at the end of each budget: one fewer for
    every other seed."""
    right = {}
    for (variant, size), table in cells.groupby(["variant", "batch_size"]):
        seeds = table.sort_values(["lr", "seed"])["seed"].to_numpy()
        hits = np.arange(32) < 29 - seeds[:, None] % 3
        for end in ("", "-equal epochs", "-equal steps"):
            right[f"{variant}-{size}{end}"] = hits.astype(np.float32)
    return right


ALIGNMENT = pd.DataFrame(
    {"batch_size": [8, 16, 32], "kind": "powers of two", "rounds": 15, "speed_up": 1.0,
     "speed_up_q25": 0.98, "speed_up_q75": 1.02}
)  # fmt: skip


DATA = {
    "source": "digits",
    "task": "classification",
    "shape": [1, 8, 8],
    "examples": {"train": 64, "val": 32, "test": 32},
}


def trained(cells: pd.DataFrame, diverging: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lanes and history: scores rise with the rate, and over four evaluations."""
    lost = cells["lr"] >= diverging
    reach = 0.7 + 0.1 * np.minimum(cells["lr"], 2) + 0.01 * (cells["seed"] % 3)
    lanes = cells.assign(
        status=np.where(lost, "diverged", "finished"),
        steps=300,
        best_val_score=reach.where(~lost),
        best_val_loss=(1 - reach).where(~lost),
    )
    rows = [
        {**cell, "step": step, "epoch": step / 8, "val_score": score, "val_loss": 1 - score}
        | {"examples": step * cell["batch_size"]}
        | dict.fromkeys(("train_loss", "train_loss_sd", "weight_norm"), 1.0)
        | dict.fromkeys(("largest_weight", "update_to_weight"), 0.1)
        for cell, top, gone in zip(cells.to_dict("records"), reach, lost, strict=True)
        for k, step in enumerate(STEPS, 1)
        for score in [top * k / 4]
        if not gone
    ]  # fmt: skip
    return lanes, pd.DataFrame(rows)


def speed(cells: pd.DataFrame) -> pd.DataFrame:
    """Timings of the cells' batch sizes."""
    table = cells[["variant", "batch_size"]].drop_duplicates(ignore_index=True)
    table["seconds_per_step"] = 1e-4 * (1 + table["batch_size"] / 64)
    table["examples_per_second"] = table["batch_size"] / table["seconds_per_step"]
    table["peak_bytes"] = 10_000 * table["batch_size"]
    table["seconds_per_step_q25"] = table["seconds_per_step"]
    table["seconds_per_step_q75"] = 1.05 * table["seconds_per_step"]
    for part in ("gather", "forward", "backward", "update"):
        table[f"seconds_{part}"] = table["seconds_per_step"] / 4
    table = table.assign(
        micro_batches=1, threads=1, other_cores=0.0, in_grid=True, noisy=False,
        later_over_earlier=1.0, update_difference=np.nan, blocks=9,
        largest_batch_size=64, search_ended_by="data", limit_bytes=2**30, weight_bytes=4000,
    )  # fmt: skip
    return table.assign(processor="a processor", cores=2, memory_gb=8, device="cpu", torch="2")


MADE = Provenance(
    "seed: 0\n", {"budget.epochs": (30, 4), "grid.lr": (None, [0.1, 1.0])}, "abc", False,
    {"preprocess": (1.5,), "train": (2.0, None), "confirm": (None,)},
)  # fmt: skip


BLANK = b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 800 400'/>"


def pages(study: Study) -> tuple[str, str]:
    """The page and its Markdown twin, with blanks in the place of figures."""
    content = content_of(study)
    images = {item.name: {"svg": BLANK} for item in sections.illustrations(study)}
    return page.html(content, images, MADE), page.markdown(content, MADE)
