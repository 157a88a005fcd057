"""The same trainings on several machines: time, money and energy to target."""

from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.analysis import machines
from pipeline.analysis.study import Study
from pipeline.params.protocol import HERE
from pipeline.reporting.figures.axes import (
    COLOURS,
    LEGEND_COLUMNS,
    MARKERS,
    half_width,
    plain_log,
    to_the_points,
    with_band,
)
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers

LOW_TO_HIGH = ("_low", "", "_high")
PANELS = (
    ("seconds", "time to target", numbers.seconds),
    ("price", "price to target", numbers.tick),
    ("joules", "energy to target", numbers.energy),
)


def draw(study: Study) -> Figure:
    """A panel for each thing that is known of a machine, a line for each machine at the variant
    that is recommended there; the recommended batch size is drawn large."""
    table = study.machine_table
    panels = [panel for panel in PANELS if table[f"{panel[0]}_to_target"].notna().any()]
    figure = Figure(figsize=(4.75 * max(2, len(panels)), 3.8), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    names = list(dict.fromkeys(table["machine"]))
    styles = {name: style(place) for place, name in enumerate(names)}
    for axis, (kind, label, show) in zip(axes, panels, strict=True):
        column = f"{kind}_to_target"
        for name in names:
            rows = of_machine(table, name)
            with_band(axis, rows, column, **styles[name])
            best = rows[rows["recommended"]]
            axis.plot(best["batch_size"], best[column], **styles[name], markersize=12)
        plain_log(axis, show)
        to_the_points(axis, table[column])
        half_width(axis, label, table, study.frame)
    handles = [Line2D([], [], label=name, **styles[name]) for name in names]
    columns = min(len(names), LEGEND_COLUMNS)
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, frameon=False)
    return figure


def style(place: int) -> dict[str, Any]:
    """The look of a machine."""
    colour = sns.color_palette("colorblind")[place % COLOURS]
    return {"color": colour, "marker": MARKERS[place % len(MARKERS)]}


def of_machine(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """A machine's rows of the variant that is recommended there, or of the first."""
    rows = table[table["machine"] == name]
    chosen = rows.loc[rows["recommended"], "variant"]
    variant = chosen.iloc[0] if len(chosen) else rows["variant"].iloc[0]
    return rows[rows["variant"] == variant].sort_values("batch_size")


def caption(study: Study) -> str:
    """What is recommended on each machine, and which one costs least."""
    table = study.machine_table
    said = [sentence(study, name, rows) for name, rows in table.groupby("machine", sort=False)]
    shows = {kind: show for kind, _, show in PANELS}
    for kind, words in (("price", "The least price"), ("joules", "The least energy")):
        row = machines.cheapest(table, kind)
        if row is not None:
            low, value, high = (shows[kind](row[f"{kind}_to_target{end}"]) for end in LOW_TO_HIGH)
            equals = [named(name) for name in machines.not_dearer(table, kind, row)]
            unsure = f", not shown to be less than on {' or '.join(equals)}" if equals else ""
            where = named(row["machine"])
            said.append(f"{words} is that on {where}: {value} ({low} to {high}){unsure}.")
    return " ".join([
        *said,
        "Drawn large is what is recommended there. Steps are those of the same trainings; seconds "
        "are each machine's own, and prices and energy go with them.",
    ])  # fmt: skip


def sentence(study: Study, name: str, rows: pd.DataFrame) -> str:
    """What is recommended on a machine, and how long it takes."""
    best = rows[rows["recommended"]]
    if best.empty:
        reason = study.machines[name].recommendation.reason
        return f"On {named(name)} nothing can be recommended: {reason}."
    row = best.iloc[0]
    low, high = row["seconds_to_target_low"], row["seconds_to_target_high"]
    return (
        f"On {named(name)}: {numbers.setting(row, study.frame)}, "
        f"{numbers.seconds(row['seconds_to_target'])} "
        f"({numbers.interval(low, high, numbers.seconds)})."
    )


def named(name: str) -> str:
    """A machine in a sentence."""
    return "this machine" if name == HERE else name


ILLUSTRATION = Illustration(
    "machines",
    "The same trainings on other machines",
    "machines",
    draw,
    caption,
    has_data=lambda study: len(study.measured.machines) > 0,
)
"""The figure and what stands around it."""
