"""Learning curves of each batch size's fastest rate."""

from matplotlib.figure import Figure

from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import by_variant, rows_height, size_colours, size_label
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers


def draw(study: Study) -> Figure:
    """Median validation score, or loss where no score is known, against steps and epochs, where
    these are known."""
    curves, frame = study.curves, study.frame
    has_score = curves["val_score"].notna().any()
    value, name_of = ("val_score", frame.score_name) if has_score else ("val_loss", "loss")
    times = ["step", "epoch"] if curves["epoch"].notna().any() else ["step"]
    rows = len(frame.variants)
    figure = Figure(figsize=(9.5, rows_height(3.8, frame)), layout="constrained")
    panels = figure.subplots(rows, len(times), squeeze=False, sharey=True)
    colours = size_colours(sorted(set(curves["batch_size"])))
    for (_, name, of_variant), pair in zip(by_variant(curves, frame), panels, strict=True):
        for axis, time in zip(pair, times, strict=True):
            for size, of_size in of_variant.groupby("batch_size"):
                median = of_size.groupby(time)[value].median().dropna()
                label = size_label(size, frame.examples)
                axis.plot(median.index, median, color=colours[size], label=label)
            axis.set_xscale("log")
            axis.set_xlabel(f"{time}s")
            axis.set_title(name if rows > 1 else "", loc="left")
        pair[0].set_ylabel(f"validation {name_of}")
        if not has_score:
            pair[0].set_yscale("log")
    if has_score:  # all panels share the axis
        lowest, highest = curves["val_score"].quantile(0.02), curves["val_score"].max()
        panels[0][0].set_ylim(bottom=max(lowest, -0.2), top=highest + 0.02)
    where = "lower right" if has_score else "upper right"
    panels[0][-1].legend(title="batch size", frameon=False, fontsize=8, loc=where)
    return figure


def caption(study: Study) -> str:
    """Which batch size is first by steps, and which by examples."""
    table, frame = study.tradeoff, study.frame
    done = table[table["reached"] == table["seeds"]]
    first = ""
    if len(done):
        steps = done.loc[done["steps_to_target"].idxmin()]
        examples = done.loc[done["examples_to_target"].idxmin()]
        first = (
            f"First at the target by steps is batch size {numbers.place(steps, frame)} "
            f"({numbers.number(steps['steps_to_target'])}), by examples "
            f"{numbers.place(examples, frame)} "
            f"({numbers.number(examples['examples_to_target'])}). "
        )
    seeds = study.curves["seed"].nunique()
    return f"{first}Medians over {seeds} {study.seeds_named}, against steps and epochs."


ILLUSTRATION = Illustration(
    "curves", "Learning curves of the fastest rates", "curves", draw, caption
)
