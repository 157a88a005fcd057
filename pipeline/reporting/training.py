"""What the report says about training to the target: its price, its rates, its steps."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipeline.analysis.critical import Curve
from pipeline.reporting import figures_training, text
from pipeline.reporting.axes import Frame
from pipeline.reporting.illustration import Illustration

HOLLOW = "hollow points have none, because some of their seeds missed the target"


def place(row: pd.Series, frame: Frame) -> str:
    """A row's batch size, and its variant where there are several."""
    variant = f" ({row['variant']})" if len(frame.variants) > 1 else ""
    return text.batch_size(row["batch_size"], frame.examples) + variant


def tradeoff(
    table: pd.DataFrame,
    best: pd.Series | None,
    critical: float | None,
    memory_bytes: float | None,
    frame: Frame,
) -> Illustration:
    """Time to target and score; the critical batch size and the limit of memory are marked."""
    return Illustration(
        "tradeoff",
        "The tradeoff",
        tradeoff_caption(table, best, frame),
        figures_training.tradeoff(table, best, frame, critical, memory_bytes),
        "tradeoff",
    )


def tradeoff_caption(table: pd.DataFrame, best: pd.Series | None, frame: Frame) -> str:
    """Fastest against slowest batch size, and the spread of the test scores."""
    done = table[table["reached"] == table["seeds"]].sort_values("seconds_to_target")
    if done.empty:
        return "No batch size reached the target with every seed."
    first, last = done.iloc[0], done.iloc[-1]
    scores = table["test_score"].dropna()
    seeds = int(table["seeds"].max())
    wanted = figures_training.with_intervals(best, frame)
    whose = "" if len(wanted) == len(frame.variants) else f", of {' and '.join(wanted)}"
    return (
        "Of the batch sizes that reach the target with every seed the fastest is "
        f"{place(first, frame)} at {text.seconds(first['seconds_to_target'])}, the slowest "
        f"{place(last, frame)} at {text.seconds(last['seconds_to_target'])}; mean test "
        f"{frame.score_name} lies between {text.number(scores.min())} and "
        f"{text.number(scores.max())}. Bars: 95 % intervals over {seeds} fresh seeds{whose}"
        + ("." if table["seconds_to_target"].notna().sum() == len(done) else f"; {HOLLOW}.")
    )


def heatmaps(rates: pd.DataFrame, frame: Frame) -> tuple[Illustration, ...]:
    """Score, steps and seconds of every batch size and learning rate, as screened."""
    score = f"validation {frame.score_name}"
    shown = (
        ("score", f"Best {score}", "best_score", score_words(rates, frame)),
        ("steps", "Steps to target", "fastest", steps_words(rates, frame)),
        ("seconds", "Seconds to target", "fastest", seconds_words(rates, frame)),
    )
    return tuple(
        Illustration(
            f"{name}_heatmap",
            f"{title} by batch size and learning rate",
            caption,
            figures_training.heatmap(rates, f"median_{name}", winner, title, frame),
            "rates",
        )
        for name, title, winner, caption in shown
    )


FRAMES = "A frame marks the winner of a batch size, a dashed one a winner at the edge of its grid."


def setting(row: pd.Series, frame: Frame) -> str:
    """A batch size and its learning rate."""
    return f"batch size {place(row, frame)} with rate {text.rate(row['lr'])}"


def score_words(rates: pd.DataFrame, frame: Frame) -> str:
    """The highest score, and how many cells diverged."""
    cells, lost = int(rates["seeds"].sum()), int(rates["diverged"].sum())
    safe = rates[rates["diverged"] == 0]
    told = ""
    if len(safe):
        best = safe.loc[safe["median_score"].idxmax()]
        told = f"The highest is {text.number(best['median_score'])}, {setting(best, frame)}. "
    return (
        f"{told}Each is the median over {rates['seeds'].max()} seeds of the best validation "
        f"{frame.score_name} within the budget. {lost} of {cells} cells diverged; ✕ counts them, "
        f"and hatching marks where. {FRAMES}"
    )


def least(rates: pd.DataFrame, column: str) -> pd.Series | None:
    """The row with the least of a cost, of those that no seed was lost at."""
    done = rates[np.isfinite(rates[column]) & (rates["diverged"] == 0)]
    return None if done.empty else done.loc[done[column].idxmin()]


def steps_words(rates: pd.DataFrame, frame: Frame) -> str:
    """The fewest steps, and how many settings reached the target."""
    reached = int(np.isfinite(rates["median_steps"]).sum())
    best = least(rates, "median_steps")
    told = (
        ""
        if best is None
        else f"The fewest are {text.number(best['median_steps'])}, {setting(best, frame)}. "
    )
    return (
        f"{told}{reached} of {len(rates)} settings reached {frame.target} in more than half of "
        f"their {rates['seeds'].max()} seeds; a dash marks those that did not, ✕ those that lost a "
        f"seed. {FRAMES}"
    )


def seconds_words(rates: pd.DataFrame, frame: Frame) -> str:
    """The least time, and how it is reckoned."""
    best = least(rates, "median_seconds")
    told = (
        ""
        if best is None
        else f"The least is {text.seconds(best['median_seconds'])}, {setting(best, frame)}. "
    )
    return (
        f"{told}Each is the steps above (medians over {rates['seeds'].max()} seeds) times the "
        f"seconds that a step of the batch size takes alone. {FRAMES}"
    )


def steps(table: pd.DataFrame, fits: Mapping[str, Curve], frame: Frame) -> Illustration:
    """Steps and examples to target with the fitted curves."""
    return Illustration(
        "steps",
        "Steps and examples to target",
        steps_caption(table, frame),
        figures_training.steps(table, fits, frame),
        "tradeoff",
    )


def steps_caption(table: pd.DataFrame, frame: Frame) -> str:
    """How steps and examples change from the smallest to the largest batch size."""
    first_variant = table[table["variant"] == frame.variants[0]]
    done = first_variant.dropna(subset=["steps_to_target"])
    if len(done) < 2:
        return "Fewer than two batch sizes reached the target: nothing to compare."
    first, last = done.iloc[0], done.iloc[-1]
    grown = last["batch_size"] / first["batch_size"]
    fewer = first["steps_to_target"] / last["steps_to_target"]
    more = last["examples_to_target"] / first["examples_to_target"]
    return (
        f"From batch size {place(first, frame)} to {place(last, frame)} ({text.number(grown)}× "
        f"larger) the steps fall {text.number(fewer)}× and the examples grow {text.number(more)}×. "
        f"Bars: 95 % intervals over {int(done['seeds'].max())} fresh seeds; lines: S_min + E_min / "
        "B, fitted to single seeds, where it can be."
    )


def budgets(shares: pd.DataFrame, frame: Frame) -> Illustration:
    """The best score under each budget."""
    return Illustration(
        "budgets",
        "The best score under three budgets",
        budgets_caption(shares, frame),
        figures_training.budgets(shares, frame),
        "budgets",
    )


def budgets_caption(shares: pd.DataFrame, frame: Frame) -> str:
    """The best batch size under each budget."""
    first = shares[shares["variant"] == frame.variants[0]]
    said = []
    for name, own in first.groupby("budget", sort=False):
        best = own.loc[own["val_score"].idxmax()]
        counted = {
            "equal epochs": f" ({best['limit']:.3g})",
            "equal steps": f" ({best['limit']:.0f})",
        }.get(str(name), "")
        said.append(f"{name}{counted}: {place(best, frame)} with {text.number(best['val_score'])}")
    return (
        f"Best validation {frame.score_name} by budget: {'; '.join(said)}. Each point is the best "
        f"rate's mean over the {shares['seeds'].max()} seeds that chose it, with its 95 % interval."
        if said
        else "At every rate some seed diverged."
    )


def curves(curve: pd.DataFrame, table: pd.DataFrame, frame: Frame) -> Illustration:
    """Validation score against steps and epochs."""
    return Illustration(
        "curves",
        "Learning curves of the fastest rates",
        curves_caption(curve, table, frame),
        figures_training.curves(curve, frame),
        "curves",
    )


def curves_caption(curve: pd.DataFrame, table: pd.DataFrame, frame: Frame) -> str:
    """Which batch size is first by steps, and which by epochs."""
    done = table[table["reached"] == table["seeds"]]
    told = ""
    if len(done):
        steps = done.loc[done["steps_to_target"].idxmin()]
        examples = done.loc[done["examples_to_target"].idxmin()]
        told = (
            f"First at the target by steps is batch size {place(steps, frame)} "
            f"({text.number(steps['steps_to_target'])}), by epochs {place(examples, frame)} "
            f"({text.number(examples['examples_to_target'] / frame.examples)}). "
        )
    return f"{told}Medians over {curve['seed'].nunique()} fresh seeds, against steps and epochs."
