"""Figures: all of them drawn, the same from any process, and readable where data are extreme."""

import ast
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from makers.processes import fresh as in_a_fresh_process
from makers.project import ROOT
from makers.reports import SHAPES, cached, fresh
from pipeline.analysis.critical import Critical, Curve
from pipeline.analysis.frame import Frame
from pipeline.analysis.study import Study, tables
from pipeline.executors.processes import ProcessDiedError
from pipeline.params.optimizer import Optimizer
from pipeline.params.settings import Settings
from pipeline.reporting import sections
from pipeline.reporting.content import content_of
from pipeline.reporting.figures import (
    axes,
    curves,
    drawing,
    gradient_noise,
    sweeps,
    throughput,
    tradeoff,
)
from pipeline.reporting.figures.axes import STYLE
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import headline

FOLDER = ROOT / "pipeline" / "reporting" / "figures"


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with mpl.rc_context(STYLE):
        yield


def assigns_an_illustration(path: Path) -> bool:
    """Whether a module is one figure."""
    return any(
        isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ILLUSTRATION"
        for node in ast.parse(path.read_text()).body
    )


def test_every_figure_stands_in_one_section() -> None:
    files = {path.stem for path in FOLDER.glob("*.py") if assigns_an_illustration(path)}
    listed = [item.name for section in sections.SECTIONS for item in section.illustrations]
    assert len(files) > 20
    assert sorted([sections.OPENING.name, *listed]) == sorted(files)


@pytest.mark.slow
def test_every_figure_has_its_table() -> None:
    study = cached((4, 16, 64), (0.01, 0.1, 1.0, 10.0), 3, variants=("baseline", "adam"))
    names = set(tables(study))
    assert {item.table for item in sections.illustrations(study)} <= names


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_studies_of_every_shape_can_be_drawn(shape: tuple[object, ...]) -> None:
    study = cached(*shape)
    for item in sections.illustrations(study):
        item.draw(study).draw_without_rendering()


@pytest.mark.slow
def test_processes_draw_what_one_would() -> None:
    first, again = (fresh((4, 16), (0.1, 1.0), 3) for _ in range(2))
    some = sections.illustrations(first)[::5]
    expected = {item.name: drawing.drawn(item.draw(first)) for item in some}
    assert len(expected) > 3
    assert drawing.all_drawn(again, some) == expected


def killed() -> str:
    """What drawing says when one of its processes is killed."""

    def draw(_: Study) -> Figure:
        os.kill(os.getpid(), signal.SIGKILL)
        return Figure()

    study = fresh((4, 16), (0.1, 1.0), 3)
    figures = [sections.OPENING, Illustration("last", "", "", draw, lambda _: "")]
    try:
        drawing.all_drawn(study, figures)
    except ProcessDiedError as error:
        return str(error)
    return "nothing"


@pytest.mark.slow
def test_a_killed_process_is_told() -> None:
    said = in_a_fresh_process(killed)
    assert said == "a worker process was killed by SIGKILL before it was done"


def test_a_figure_that_fails_is_told() -> None:
    def draw(_: Study) -> Figure:
        raise ValueError("nothing to see")

    figure = Illustration("bad", "", "", draw, lambda _: "")
    with pytest.raises(ValueError, match="nothing to see"):
        drawing.all_drawn(cached((4, 16), (0.1, 1.0), 3), [figure])


@pytest.mark.slow
def test_many_variants_can_be_told_apart() -> None:
    names = tuple(f"variant_{place}" for place in range(12))
    frame = Frame(64, "accuracy", "a goal", names)
    looks = {tuple(axes.look(name, frame).values()) for name in names}
    assert len(looks) == len(names)
    study = cached((4, 16), (0.1, 1.0), 2, variants=names[:5])
    caption = content_of(study).opening.caption
    assert "95 % intervals over 3 fresh seeds, of variant_0" in caption
    for item in sections.illustrations(study):
        item.draw(study).draw_without_rendering()


@pytest.mark.parametrize("low", [8.0, 0.0])
def test_a_critical_batch_size_is_told_where_it_is_bounded(low: float) -> None:
    study = fresh((4, 16, 64), (0.01, 0.1, 1.0), 3)
    found = Critical(Curve(10.0, 30.0), low, 90.0, "yes", 0.1, 0.0, Curve(10.0, 30.0), 0.1, 9, 0)
    study.__dict__["fits"] = {"baseline": found}  # as a cached property keeps it
    words = {text.get_text() for axis in tradeoff.draw(study).axes for text in axis.texts}
    assert ("critical: 30" in words) is (low > 0)
    assert ("critical batch size is 30" in headline.without_seconds(study)) is (low > 0)
    assert (gradient_noise.critical_batch_size(study) == 30) is (low > 0)


def test_no_curve_leaves_the_panels_at_the_top() -> None:
    study = cached((4, 16, 64), (0.01, 0.1, 1.0, 10.0), 3, variants=("baseline", "adam"))
    is_last = study.curves["variant"] == "adam"
    worse = study.curves.assign(val_score=study.curves["val_score"].where(~is_last, 0.1))
    figure = curves.draw(SimpleNamespace(curves=worse, frame=study.frame))  # type: ignore[arg-type]
    for axis in figure.axes:
        highest = max(max(line.get_ydata()) for line in axis.lines)  # type: ignore[arg-type]
        assert highest < axis.get_ylim()[1]


def test_hopeless_scores_do_not_squeeze_the_others() -> None:
    axis = Figure().subplots()
    tradeoff.leave_out_far_below(axis, pd.Series([0.95, 0.96, 0.97, 0.98, 0.1]))
    assert axis.get_ylim()[0] > 0.9
    assert [words.get_text() for words in axis.texts] == ["▾ 1 below"]
    untouched = Figure().subplots()
    tradeoff.leave_out_far_below(untouched, pd.Series([0.95, 0.96, 0.9]))
    assert not untouched.texts


def test_wide_intervals_do_not_squeeze_the_points() -> None:
    axis = Figure().subplots()
    axis.set(yscale="log", ylim=(1e-9, 1e9))
    axes.to_the_points(axis, pd.Series([1.0, 10.0, np.nan]))
    assert axis.get_ylim() == pytest.approx((1 / axes.REACH, 10 * axes.REACH))


def test_every_part_of_a_step_is_seen() -> None:
    parts = {"gather": 1e-5, "forward": 1e-4, "backward": 4e-4, "update": 5e-5}
    timed = pd.DataFrame({"batch_size": [4, 8, 16], "seconds_per_step": [6e-4, 7e-4, 9e-4]})
    timed = timed.assign(**{f"seconds_{part}": seconds for part, seconds in parts.items()})
    axis = Figure().subplots()
    axis.set_yscale("log")
    axis.plot(timed["batch_size"], timed["seconds_per_step"])
    throughput.step_parts(axis, timed)
    bottom, top = axis.get_ylim()
    assert bottom < min(parts.values())
    assert top > timed["seconds_per_step"].max()


def test_a_sweep_that_no_seed_arrives_in_is_drawn() -> None:
    settings = {
        name: Settings(optimizer=Optimizer("adamw", weight_decay=value))
        for name, value in {"a": 0.1, "b": 1.0, "c": 3.0}.items()
    }
    study = cached((4, 16, 64), (0.01, 0.1, 1.0), 3, variants=("a", "b", "c"))
    known = {"settings": settings, "counted": study.counted.assign(missed=True)}
    lanes = study.measured.confirmed_lanes.assign(final_val_loss=0.3)
    measured = replace(study.measured, confirmed_lanes=lanes)
    study = Study(study.params, measured).with_known(**known)
    assert set(study.sweep_table["criterion"]) == {"steps to target", "validation loss"}
    sweeps.draw(study).draw_without_rendering()
    assert "move" in sweeps.caption(study)
