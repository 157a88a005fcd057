"""The best validation score at every learning rate and batch size."""

from matplotlib.figure import Figure

from pipeline.analysis.frame import metric_name
from pipeline.analysis.study import Study
from pipeline.reporting.figures.heatmap import frames_words, heatmap
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers


def draw(study: Study) -> Figure:
    """The median over seeds; the best-scoring rate of each batch size is framed."""
    title = f"Best validation {study.frame.score_name}"
    return heatmap(study.rates, "median_score", "best_score", title, study.frame)


def caption(study: Study) -> str:
    """The highest score, and how many cells diverged."""
    rates, frame = study.rates, study.frame
    metric = metric_name(study.params.target.metric, study.measured.data["task"])
    cells, lost = int(rates["seeds"].sum()), int(rates["diverged"].sum())
    safe = rates[rates["diverged"] == 0]
    highest = ""
    if len(safe):
        best = safe.loc[safe["median_score"].idxmax()]
        score = numbers.number(best["median_score"])
        highest = f"The highest is {score}, {numbers.setting(best, frame)}. "
    return (
        f"{highest}Each is the median over {rates['seeds'].max()} seeds of the best validation "
        f"{frame.score_name} within the budget. {lost} of {cells} cells diverged; ✕ counts them, "
        f"and hatching marks where. {frames_words(f'by its best validation {metric}')}"
    )


ILLUSTRATION = Illustration(
    "score_heatmap",
    "Best validation score by batch size and learning rate",
    "rates",
    draw,
    caption,
    lambda study: study.raced.empty and bool(study.screened["median_score"].notna().any()),
)
