"""The report of runs that exist: it shows what is known, and says nothing of the rest."""

import re

import matplotlib as mpl
import pandas as pd
import pytest

from makers import program
from pipeline import recommend
from pipeline.analysis.study import Study
from pipeline.reporting import sections
from pipeline.reporting.content import Content, content_of
from pipeline.reporting.figures.axes import STYLE
from pipeline.reporting.page import page
from pipeline.reporting.page.provenance import Provenance

MADE = Provenance("trainer: {name: runs}\n", {}, "", False, {})


def table(seeds: int = 3, variant: str = "baseline") -> pd.DataFrame:
    """Runs with seconds and test scores."""
    parts = [
        pd.DataFrame(program.curve(size, lr, seed, 300)).assign(
            batch_size=size, lr=lr, seed=seed, variant=variant
        )
        for size in (4, 16, 64)
        for lr in (0.03, 0.1, 0.3, 1.0, 3.0)
        for seed in range(seeds)
    ]
    runs = pd.concat(parts, ignore_index=True)
    return runs.assign(seconds=runs["step"] * (1e-3 + 1e-5 * runs["batch_size"]))


def stopped(runs: pd.DataFrame) -> pd.DataFrame:
    """The same, a tenth of them cut short."""
    return runs[~((runs["seed"] == 1) & (runs["lr"] == 0.03) & (runs["step"] > 100))]


SHAPES = {
    "all": table(),
    "no seconds": table().drop(columns="seconds"),
    "no test score": table().drop(columns="test_score"),
    "one seed": table(1).drop(columns="seed"),
    "least": table(1)[["batch_size", "lr", "step", "val_loss"]],
    "some stopped": stopped(table()),
    "one rate each": table()[lambda runs: runs["lr"] == 0.3],
    "two variants": pd.concat([table(), table(variant="other")]),
    "scores alone": table().assign(val_score=lambda runs: 1 - runs["val_loss"])[
        ["batch_size", "lr", "seed", "step", "val_score", "seconds"]
    ],
}


def study_of(shape: str) -> Study:
    runs = SHAPES[shape]
    metric = "val_loss" if "val_loss" in runs else "val_score"
    return recommend(runs, metric=metric).study


def drawn(study: Study, content: Content) -> None:
    """All figures of the study can be drawn."""
    shown = {item.name for section in content.sections for item in section.pictures}
    with mpl.rc_context(STYLE):
        for item in sections.illustrations(study):
            assert item.name in {*shown, sections.OPENING.name}
            item.draw(study).canvas.draw()


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    ["all", "no seconds", "least", "some stopped", "one rate each", "two variants", "scores alone"],
)
def test_nothing_that_is_not_known_is_shown(shape: str) -> None:
    study = study_of(shape)
    content = content_of(study)
    drawn(study, content)
    text = page.markdown(content, MADE)
    assert not re.search(r"\bnan\b|\bNone\b", text)
    shown = {item.name for section in content.sections for item in section.pictures}
    assert not shown & {"sharpness", "landscape", "gradient_noise", "power_of_two", "features"}
    assert "trainer=lanes" in text
    assert ("time to target" in content.summary) is ("seconds" in SHAPES[shape])
    assert content.can_explore is ("seconds" in SHAPES[shape])
    assert not content.knows("memory_gb")


def test_warnings_are_those_of_the_runs() -> None:
    assert "also lucky" in " ".join(content_of(study_of("all")).warnings)
    assert "One seed at each rate" in " ".join(content_of(study_of("one seed")).warnings)
    assert not any("lucky" in word for word in content_of(study_of("one rate each")).warnings)
    cut = " ".join(content_of(study_of("some stopped")).warnings)
    assert "3 of 45 runs end before the longest of their batch size" in cut


def test_what_variants_change_is_not_known() -> None:
    claims = content_of(study_of("two variants")).claims.set_index("id")
    about = ["batch-norm-helps", "optimizers", "scaling-helps", "adam-sqrt-optimal"]
    assert set(claims.loc[about, "verdict"]) == {"not tested"}
    assert claims.loc["constant-product", "verdict"] != "not tested"
