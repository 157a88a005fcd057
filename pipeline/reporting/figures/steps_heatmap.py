"""The steps to target at every learning rate and batch size."""

import numpy as np
from matplotlib.figure import Figure

from pipeline.analysis.study import Study
from pipeline.reporting.figures.heatmap import BY_CURVE, frames_words, heatmap, least, stopped_words
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers


def draw(study: Study) -> Figure:
    """The median over seeds; the fastest rate of each batch size is framed."""
    return heatmap(study.rates, "median_steps", "fastest", "Steps to target", study.frame)


def caption(study: Study) -> str:
    """The fewest steps, and how many settings reached the target."""
    rates, frame = study.rates, study.frame
    reached = int(np.isfinite(rates["median_steps"]).sum())
    best = least(rates, "median_steps")
    fewest = ""
    if best is not None:
        steps = numbers.number(best["median_steps"])
        fewest = f"The fewest are {steps}, {numbers.setting(best, frame)}. "
    return (
        f"{fewest}{reached} of {len(rates)} settings reached {frame.target} in more than half of "
        f"their {rates['seeds'].max()} seeds; a dash marks those that did not, ✕ those that lost a "
        f"seed.{stopped_words(study)} {frames_words(BY_CURVE)}"
    )


ILLUSTRATION = Illustration(
    "steps_heatmap", "Steps to target by batch size and learning rate", "rates", draw, caption
)
