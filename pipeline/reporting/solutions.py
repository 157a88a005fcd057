"""What the report says about the solutions: generalisation, sharpness, landscape, noise."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.analysis import curvature, escape, generalisation, noise, statistics, weights
from pipeline.analysis.critical import Critical
from pipeline.analysis.recommendation import Recommendation
from pipeline.params import Params
from pipeline.reporting import figures_solutions, text
from pipeline.reporting.axes import Frame
from pipeline.reporting.illustration import Illustration
from pipeline.reporting.measurements import Measurements


@dataclass(frozen=True)
class Solutions:
    """Figures, the tables behind them and behind the claims, and what could not be measured."""

    illustrations: tuple[Illustration, ...]
    tables: dict[str, pd.DataFrame]
    limit: float | None
    missing: tuple[str, ...]


def solutions(
    found: Measurements,
    params: Params,
    curves: pd.DataFrame,
    critical: Critical | None,
    advice: Recommendation,
    frame: Frame,
) -> Solutions:
    """Analyse and draw; a figure without data is left out, and why is said."""
    first = frame.variants[0]
    settings = params.settings(first).optimizer
    limit = curvature.stability_limit(settings.name, settings.momentum)
    margin = params.limits.score_margin
    tables = {
        "generalisation": generalisation.compare(found.evaluation, found.selection, margin),
        "sharpness": curvature.by_batch_size(found.sharpness),
        "stability": curvature.products(found.sharpness, first),
        "rescaling": curvature.control(found.sharpness),
        "landscape": found.landscape,
        "gradient_noise": found.gradient_noise,
        "noise_scales": noise.scales(found.gradient_noise),
        "oscillation": noise.oscillation(curves),
        "escapes": escape.escapes(params.seed),
    }
    shown = [
        Illustration(
            "generalisation",
            "Does a larger batch generalise worse?",
            generalisation_caption(tables["generalisation"], margin, frame),
            figures_solutions.generalisation(tables["generalisation"], margin, frame),
            "generalisation",
        ),
        Illustration(
            "sharpness",
            "How sharp the solutions are",
            sharpness_caption(found.sharpness, tables, limit, params, frame),
            figures_solutions.sharpness(tables["sharpness"], tables["stability"], limit, frame),
            "sharpness",
        ),
        Illustration(
            "landscape",
            "The loss between and around the solutions",
            landscape_caption(found.landscape, params, frame),
            figures_solutions.landscape(own(found.landscape, first), frame),
            "landscape",
        ),
        *noise_illustration(tables, critical, advice, frame),
        Illustration(
            "oscillation",
            "Does the loss wander more at small batches?",
            oscillation_caption(tables["oscillation"], tables["escapes"], first),
            figures_solutions.oscillation(tables["oscillation"], tables["escapes"], frame),
            "oscillation",
        ),
        Illustration(
            "weights",
            "How the weights grow",
            weights_caption(curves, first, frame),
            figures_solutions.weights(curves, frame),
            "curves",
        ),
    ]
    return Solutions(tuple(shown), tables, limit, tuple(missing(tables, params, frame)))


def own(table: pd.DataFrame, variant: str) -> pd.DataFrame:
    """A table's rows of one variant."""
    return table[table["variant"] == variant]


def missing(tables: dict[str, pd.DataFrame], params: Params, frame: Frame) -> list[str]:
    """What could not be measured, and why."""
    said = []
    if tables["generalisation"]["batch_size"].nunique() < 2:
        said.append(
            "One batch size alone has solutions: nothing to compare generalisation with, and no "
            "line to draw between solutions."
        )
    if tables["rescaling"].empty:
        said.append(
            "Sharpness has no rescaling control: the network has no two layers with only ReLU, "
            "pooling or flattening between them."
        )
    if params.settings(frame.variants[0]).model.norm != "none":
        said.append(
            "Sharpness and gradient noise are measured with batch norm's running statistics; on "
            "the lines between and around solutions they are taken anew from the training examples."
        )
    return said


def counted(words: pd.Series) -> str:
    """How often each verdict stands there, in a fixed order."""
    return ", ".join(
        f"{(words == word).sum()} {word}"
        for word in ("worse", "better", "equivalent", "unclear")
        if (words == word).any()
    )


def generalisation_caption(table: pd.DataFrame, margin: float, frame: Frame) -> str:
    """How many batch sizes are worse, and how many are shown to be equivalent."""
    rest = table[(table["variant"] == frame.variants[0]) & (table["verdict"] != "")]
    said = [
        f"{name}: {counted(part['verdict'])}"
        for name, part in rest.groupby("comparison", sort=False)
    ]
    if not said:
        return "Fewer than two batch sizes have solutions to compare."
    return (
        f"Test {frame.score_name} less that of the smallest batch size at the same seed, mean and "
        f"95 % interval over {rest['seeds'].max()} seeds. Of {rest['batch_size'].nunique()} larger "
        f"batch sizes, {'; '.join(said)} (within ±{margin:g}, the grey band; Holm-adjusted). One "
        "rate: the smallest batch size's best under equal epochs, with which a larger batch may "
        "end untrained."
    )


def sharpness_caption(
    sharpness: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    limit: float | None,
    params: Params,
    frame: Frame,
) -> str:
    """Exponents by measure, and what the rescaling moved."""
    first = frame.variants[0]
    found = {
        words: curvature.exponent(sharpness, first, name)
        for name, words in curvature.MEASURES.items()
    }
    grows = [f"{words} B^{one.value:.2f}" for words, one in found.items() if one.n > 0]
    looked_at = min(params.evaluation.examples, frame.examples)
    moved = [f"{row.measure} by {row.ratio:.3g}" for row in tables["rescaling"].itertuples()]
    return (
        f"At each batch size's best rate, on {looked_at:,} training examples, geometric mean and "
        f"95 % interval over seeds"
        + (f"; exponents: {', '.join(grows)}" if grows else "")
        + f". {stability_words(tables['stability'], limit)}"
        + (
            " Multiplying a layer and dividing the next leaves the function as it is, and "
            f"multiplies {', '.join(moved)}: a measure that moves tells of the weights, too."
            if moved
            else ""
        )
    )


def stability_words(table: pd.DataFrame, limit: float | None) -> str:
    """At how many batch sizes rate times eigenvalue passes the limit of full-batch descent."""
    early = table[table["point"] == "early"]
    if limit is None or early.empty:
        return "Right below: rate × largest eigenvalue along the training."
    beyond = int((early["product"] > limit).sum())
    return (
        "Right below: rate × largest eigenvalue along the training; a tenth in it passes the "
        f"limit of full-batch descent, {limit:g}, at {beyond} of {len(early)} batch sizes."
    )


def landscape_caption(table: pd.DataFrame, params: Params, frame: Frame) -> str:
    """Which solutions, and what lies between them."""
    line = own(table[table["path"] == "line"], frame.variants[0])
    looked_at = min(params.evaluation.examples, frame.examples)
    start = f"Thin: single seeds, thick: their median, {looked_at:,} training examples. "
    if line.empty:
        return start + "A line needs two batch sizes with solutions of one seed."
    peaks = weights.line_peaks(line)
    found = statistics.geometric_mean((peaks["peak"] / peaks["end"]).tolist())
    sizes = [text.batch_size(int(line[name].iloc[0]), frame.examples)
             for name in ("batch_size", "other_batch_size")]  # fmt: skip
    return (
        f"{start}Left and middle: the straight line from the solution of batch size {sizes[0]} to "
        f"that of {sizes[1]}, and beyond; between them the training loss peaks at "
        f"{text.number(found.value)} times the higher end (n = {found.n}). Right: one random "
        "direction of each solution's own scale."
    )


def noise_illustration(
    tables: dict[str, pd.DataFrame], critical: Critical | None, advice: Recommendation, frame: Frame
) -> list[Illustration]:
    """The gradient's noise at the recommended batch size, where it was watched."""
    table = own(tables["gradient_noise"], frame.variants[0])
    scales = own(tables["noise_scales"], frame.variants[0])
    if table.empty:
        return []
    sizes = sorted(set(table["batch_size"]))
    wanted = None if advice.best is None else int(advice.best["batch_size"])
    size = sizes[len(sizes) // 2] if wanted is None or wanted not in sizes else wanted
    at = critical.curve.critical if critical is not None else None
    return [
        Illustration(
            "gradient_noise",
            "How noisy the gradient is",
            noise_caption(table, scales, at, size, frame),
            figures_solutions.gradient_noise(table, scales, at, size, frame),
            "gradient_noise",
        )
    ]


def noise_caption(
    table: pd.DataFrame, scales: pd.DataFrame, critical: float | None, size: int, frame: Frame
) -> str:
    """The exponent, and the noise scales beside the critical batch size."""
    slope = noise.error_exponent(table, frame.variants[0])
    watched = scales[(scales["batch_size"] == size) | (scales["moment"] == "initial")]
    said = [
        f"{row.moment} {text.number(row.noise_scale)} "
        f"({text.interval(row.noise_scale_low, row.noise_scale_high)})"
        if np.isfinite(row.noise_scale)
        else f"{row.moment} not resolved"
        for row in watched.itertuples()
    ]
    beside = "" if critical is None else f"; the critical batch size is {text.number(critical)}"
    return (
        f"Left and middle: the training at batch size {text.batch_size(size, frame.examples)}; "
        f"over all trainings the error falls as m^{slope.value:.2f} once corrected for drawing "
        f"from {int(table['population'].max()):,} examples without replacement. Right: the "
        f"gradient noise scale, an order of magnitude only, here {', '.join(said)}{beside}. It is "
        "not resolved where the noise hides the gradient."
    )


def oscillation_caption(table: pd.DataFrame, escapes: pd.DataFrame, variant: str) -> str:
    """The exponent of the wandering, and the experiment in words."""
    found = noise.oscillation_exponent(table, variant, "validation")
    trend = (
        "Too few batch sizes for an exponent. "
        if found.n == 0
        else f"It goes as B^{found.value:.2f} ({text.interval(found.low, found.high)}, "
        f"{found.n} seeds). "
    )
    return (
        "Left: mean relative change of the validation loss between evaluations in the second half "
        f"of the budget, fastest rate. {trend}Right, none of it from these data: "
        f"{escape.WALKERS:,} noisy descents that start in the poorer of two wells, and the share "
        f"that leaves it within {escape.STEPS:,} steps."
    )


def weights_caption(curves: pd.DataFrame, variant: str, frame: Frame) -> str:
    """How much the weights grew at the smallest and the largest batch size."""
    grown = weights.growth(curves, variant)
    by_size = grown.groupby("batch_size").median()
    said = [
        f"{text.number(by_size.loc[size])} times at batch size "
        f"{text.batch_size(size, frame.examples)}"
        for size in dict.fromkeys([by_size.index[0], by_size.index[-1]])
    ]
    seeds = grown.index.get_level_values("seed").nunique()
    return (
        f"Medians over {seeds} seeds at the fastest rates. From the first "
        f"evaluation to the last the weights' length grows {' and '.join(said)}."
    )
