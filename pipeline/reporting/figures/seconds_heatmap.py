"""The seconds to target at every learning rate and batch size."""

from matplotlib.figure import Figure

from pipeline.analysis.study import Study
from pipeline.reporting.figures.heatmap import BY_CURVE, frames_words, heatmap, least, stopped_words
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers


def draw(study: Study) -> Figure:
    """Median steps times seconds per step; the fastest rate of each batch size is framed."""
    return heatmap(study.rates, "median_seconds", "fastest", "Seconds to target", study.frame)


def caption(study: Study) -> str:
    """The least time, and how it is computed."""
    rates, frame = study.rates, study.frame
    best = least(rates, "median_seconds")
    shortest = ""
    if best is not None:
        seconds = numbers.seconds(best["median_seconds"])
        shortest = f"The least is {seconds}, {numbers.setting(best, frame)}. "
    return (
        f"{shortest}Each is the steps above (medians over {rates['seeds'].max()} seeds) times the "
        f"seconds that a step of the batch size takes alone.{stopped_words(study)} "
        f"{frames_words(BY_CURVE)}"
    )


ILLUSTRATION = Illustration(
    "seconds_heatmap",
    "Seconds to target by batch size and learning rate",
    "rates",
    draw,
    caption,
    lambda study: bool(study.rates["median_seconds"].notna().any()),
)
