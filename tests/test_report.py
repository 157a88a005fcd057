"""The report tells the truth about studies of every shape, and its bytes do not wander."""

import functools
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from pipeline.analysis import budgets, curvature, selection
from pipeline.analysis.recommendation import Recommendation
from pipeline.analysis.statistics import Estimate
from pipeline.params import Confirm, Grid, Limits, Params, Target
from pipeline.reporting import axes, drawing, figures_training, overview, page, text
from pipeline.reporting.axes import STYLE, Frame
from pipeline.reporting.content import Content, compile_content
from pipeline.reporting.measurements import Measurements
from pipeline.reporting.provenance import Provenance

STEPS = np.array([1, 10, 100, 300])


def study(
    sizes: list[int],
    rates: list[float],
    seeds: int,
    variants: tuple[str, ...] = ("baseline",),
    diverging: float = 5.0,
) -> tuple[Params, Measurements]:
    """Tables as the stages write them; rates from ``diverging`` on diverge."""  # fmt: skip
    params = Params(
        grid=Grid(list(variants), list(sizes), rates, seeds),
        variants={name: {} for name in variants},
        confirm=Confirm(3),
    )
    cells = pd.DataFrame(
        [(v, b, lr, s) for v in variants for b in sizes for lr in rates for s in range(seeds)],
        columns=["variant", "batch_size", "lr", "seed"],
    )
    lanes, history = trained(cells, diverging)
    chosen = selection.winners(selection.by_rate(lanes, history, "val_score", 0.79))
    rates = selection.by_rate(lanes, history, "val_score", 0.79)
    chosen = pd.concat([chosen, selection.under_budgets(rates, budgets.compare(history))])
    chosen = chosen.assign(metric="val_score", target=0.79)
    fresh = chosen[["variant", "batch_size", "lr"]].drop_duplicates()
    fresh = fresh.merge(pd.DataFrame({"seed": [1000, 1001, 1002]}), how="cross")
    confirmed_lanes, confirmed = trained(fresh, diverging)
    return params, Measurements(
        history, lanes, chosen, confirmed, confirmed_lanes, *measured(fresh), speed(cells), DATA,
        *described(),
    )  # fmt: skip


def described() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Features, classes and columns of the data."""
    features = pd.DataFrame({"feature": ["age", "income"], "mean": [40.0, 4e4], "sd": [9.0, 1e4]})
    quantiles = (("minimum", 0.1), ("q25", 0.9), ("median", 1), ("q75", 1.1), ("maximum", 3))
    features = features.assign(**{name: features["mean"] * share for name, share in quantiles})
    classes = pd.DataFrame({"class": ["a", "b"], "train": [40, 24], "val": 5, "test": 5})
    columns = pd.DataFrame(
        {"column": ["age", "income", "id"], "kind": ["number", "number", "dropped"],
         "missing": [0, 3, 0], "note": ["", "3 missing values became 9", "like an ID"]}
    )  # fmt: skip
    return features, classes, columns


def measured(fresh: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Evaluations, sharpness, landscape and gradient noise."""
    scores = 0.9 + fresh["seed"] % 3 / 100
    evaluation = fresh.assign(test_score=scores, generalisation_gap=0.05, train_loss=0.1)
    evaluation = evaluation.merge(pd.DataFrame({"budget": budgets.BUDGETS}), how="cross")
    points = pd.DataFrame({"point": ["solution", "rescaled", "early"]})
    sharp = fresh.merge(points, how="cross").assign(**dict.fromkeys(curvature.MEASURES, 0.5))
    path = pd.DataFrame({"path": ["line"] * 3 + ["slice"] * 3, "position": [-1.0, 0, 1] * 2})
    landscape = fresh[["variant", "seed"]].drop_duplicates().merge(path, how="cross")
    landscape = landscape.assign(
        batch_size=fresh["batch_size"].min(), other_batch_size=fresh["batch_size"].max(),
        train_loss=0.1, train_score=0.9, test_loss=0.2, test_score=0.8,
    )  # fmt: skip
    noise = fresh.drop_duplicates(["variant", "batch_size"])
    noise = noise.merge(pd.DataFrame({"moment": ["early", "end"]}), how="cross")
    noise = noise.merge(pd.DataFrame({"examples": [1, 2, 4, 8, 16, 32]}), how="cross").assign(
        population=64, cosine=0.5, gradient_norm=1.0, noise_scale=10.0, noise_scale_low=5.0,
        noise_scale_high=20.0,
    )  # fmt: skip
    return evaluation, sharp, landscape, noise.assign(relative_error=noise["examples"] ** -0.5)


DATA = {
    "source": "digits",
    "task": "classification",
    "shape": [1, 8, 8],
    "examples": {"train": 64, "val": 32, "test": 32},
}


def trained(cells: pd.DataFrame, diverging: float) -> tuple[pd.DataFrame, pd.DataFrame]:
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
    table = cells[["variant", "batch_size"]].drop_duplicates(ignore_index=True)
    table["seconds_per_step"] = 1e-4 * (1 + table["batch_size"] / 64)
    table["examples_per_second"] = table["batch_size"] / table["seconds_per_step"]
    table["peak_bytes"] = 10_000 * table["batch_size"]
    table["seconds_per_step_q25"] = table["seconds_per_step"]
    for part in ("gather", "forward", "backward", "update"):
        table[f"seconds_{part}"] = table["seconds_per_step"] / 4
    table = table.assign(
        micro_batches=1, in_grid=True, noisy=False, update_difference=np.nan, blocks=9,
        largest_batch_size=64, search_ended_by="data", limit_bytes=2**30, weight_bytes=4000,
    )  # fmt: skip
    return table.assign(
        processor="a processor", cores=2, memory_gb=8, device="cpu", threads=2, torch="2"
    )


def fresh(
    sizes: Sequence[int],
    rates: Sequence[float],
    seeds: int,
    limits: Limits | None = None,
    **keys: Any,
) -> Content:
    params, found = study(list(sizes), list(rates), seeds, **keys)
    params = params if limits is None else replace(params, limits=limits)
    with mpl.rc_context(STYLE):
        return compile_content(params, found)


cached = functools.cache(fresh)


def content(sizes: Sequence[int], rates: Sequence[float], *rest: Any, **keys: Any) -> Content:
    """``fresh``, made once for all tests that ask for the same."""
    return cached(tuple(sizes), tuple(rates), *rest, **keys)


MADE = Provenance(
    "seed: 0\n", {"budget.epochs": (30, 4), "grid.lr": (None, [0.1, 1.0])}, "abc", False,
    {"preprocess": (1.5,), "train": (2.0, None), "confirm": (None,)},
)  # fmt: skip


def rendered(made: Content) -> tuple[str, str, drawing.Images]:
    with mpl.rc_context(STYLE):
        images = {
            item.name: {"svg": drawing.saved(item.figure, "svg")} for item in made.illustrations
        }
    return page.html(made, images, MADE), page.markdown(made, MADE), images


SHAPES = [
    ([4, 16, 64], [0.01, 0.1, 1.0, 10.0], 3),
    ([4], [0.1, 1.0], 2),
    ([4, 16], [1.0], 3),
    ([4, 16], [0.1, 1.0], 1),
    ([64], [1.0], 1),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_studies_of_every_shape_get_a_report(shape: tuple[object, ...]) -> None:
    html, markdown, _ = rendered(content(*shape))
    assert "Use batch size" in markdown
    for words in (html, markdown):
        assert "nan" not in words.lower().replace("finance", "")
        assert "inf " not in words


def test_variants_stand_side_by_side() -> None:
    made = content([4, 16], [0.1, 1.0], 3, variants=("baseline", "adam"))
    assert "variant" in made.summary
    assert set(made.tables["tradeoff"]["variant"]) == {"baseline", "adam"}
    rendered(made)


def test_impossible_limits_are_named() -> None:
    made = content([4, 16], [0.1, 1.0], 3, limits=Limits(memory_gb=1e-9))
    assert made.headline == ("No recommendation: every batch size fails: limits.memory_gb.")
    assert "No recommendation" in rendered(made)[0]


def test_a_target_that_nobody_reached_is_no_recommendation() -> None:
    made = content([4, 16], [0.01, 0.1], 3)
    assert made.headline == "No recommendation: every batch size fails: misses the target."
    assert "No batch size reached the target with every seed" in rendered(made)[1]
    assert "`target.value`" in made.warnings[0]


def test_the_headline_says_what_a_reader_needs() -> None:
    made = content([4, 16, 64], [0.1, 1.0, 10.0], 3)
    for words in ("batch size 4", "learning rate 1", "accuracy of 0.79", "95 % interval", "3 of 3"):
        assert words in made.headline


def test_winners_are_framed_and_edges_told_apart() -> None:
    cells = {
        (size, rate): cell
        for rates in ([0.1, 1.0, 10.0], [0.1, 1.0])
        for heat in content([4, 16], rates, 3).heatmaps["steps_heatmap"]
        for rate, row in heat.rows
        for size, cell in zip(
            (f"{len(rates)} rates, 4", f"{len(rates)} rates, 16"), row, strict=True
        )
    }
    assert cells["3 rates, 4", "1"].kind == "done inside"
    assert cells["2 rates, 4", "1"].kind == "done edge"
    assert cells["2 rates, 4", "1"].tip.endswith("at the edge of the grid")
    assert cells["3 rates, 4", "10"].kind == "lost"


def test_the_price_of_both_neighbours_is_told() -> None:
    made = content([4, 16, 64], [0.1, 1.0, 10.0], 3, limits=Limits(memory_gb=1e9))
    table = made.tables["tradeoff"].set_index("batch_size")["seconds_to_target"]
    words = f"Its neighbours on the grid: 16, {table[16] / table[4]:.2f} times as long."
    assert words in made.comparison
    assert made.comparison.startswith("No other rate of the grid reaches the target")


def test_the_runner_up_comes_with_its_interval() -> None:
    best = pd.Series(
        {"variant": "baseline", "batch_size": 8, "lr": 0.1, "seconds_to_target": 1.0, "reached": 3,
         "seeds": 3, "seconds_to_target_low": 0.9, "seconds_to_target_high": 1.1}
    )  # fmt: skip
    other = best.copy()
    other["batch_size"] = 16
    advice = Recommendation(best, other, "")
    for low, tie in ((0.9, ", no clear difference"), (1.05, "")):
        lead = Estimate(1.2, low, 1.5, 3)
        said = text.headline(advice, lead, "val_score", 0.9, "classification")
        assert said.endswith(
            f"next is batch size 16, which takes 1.20 times as long ({low:.2f} to 1.50{tie})."
        )


def test_the_page_says_where_the_target_comes_from() -> None:
    auto, _ = study([4, 16], [0.1, 1.0], 3)
    frame = Frame(64, "accuracy", "a goal", ("baseline",))
    assert "eased by one standard error" in overview.origin(auto, frame)
    fixed = replace(auto, target=Target("val_score", 0.9))
    assert overview.origin(fixed, frame) == "The target, a goal, was set (`target.value`)."


def test_variants_are_told_by_what_they_change() -> None:
    params, _ = study([4], [0.1], 2, ("baseline", "adam"))
    settings = {"baseline": {}, "adam": {"optimizer": {"name": "adam"}, "scaling": "none"}}
    said = overview.variant_facts(replace(params, variants=settings))["variants"]
    assert said == "baseline: as below; adam: optimizer.name=adam, scaling=none"


def test_scores_stay_scores_where_the_target_is_a_loss() -> None:
    params, found = study([4, 16], [0.1, 1.0, 10.0], 3)
    params = replace(params, target=Target("val_loss", 0.25))
    found = replace(found, selection=found.selection.assign(metric="val_loss", target=0.25))
    with mpl.rc_context(STYLE):
        made = compile_content(params, found)
    table = made.tables["rates"]
    assert table.loc[table["diverged"] == 0, "median_score"].between(0.7, 1).all()
    assert "best score 0.8" in made.heatmaps["score_heatmap"][0].rows[1][1][0].tip


def test_many_variants_can_be_told_apart() -> None:
    names = tuple(f"variant_{place}" for place in range(12))
    frame = Frame(64, "accuracy", "a goal", names)
    looks = {tuple(axes.look(name, frame).values()) for name in names}
    assert len(looks) == len(names)
    made = content([4, 16], [0.1, 1.0], 2, variants=names[:5])
    assert "95 % intervals over 3 fresh seeds, of variant_0" in made.opening.caption
    drawn = drawing.all_drawn(made.illustrations)
    assert set(drawn) == {item.name for item in made.illustrations}


def test_hopeless_scores_do_not_squeeze_the_others() -> None:
    axis = Figure().subplots()
    figures_training.leave_out_far_below(axis, pd.Series([0.95, 0.96, 0.97, 0.98, 0.1]))
    assert axis.get_ylim()[0] > 0.9
    assert [words.get_text() for words in axis.texts] == ["▾ 1 below"]
    figures_training.leave_out_far_below(
        untouched := Figure().subplots(), pd.Series([0.95, 0.96, 0.9])
    )
    assert not untouched.texts


def test_wide_intervals_do_not_squeeze_the_points() -> None:
    axis = Figure().subplots()
    axis.set(yscale="log", ylim=(1e-9, 1e9))
    axes.to_the_points(axis, pd.Series([1.0, 10.0, np.nan]))
    assert axis.get_ylim() == pytest.approx((1 / axes.REACH, 10 * axes.REACH))


def test_words_of_the_page_are_escaped_and_set() -> None:
    assert page.with_code("<a> `b` c") == "&lt;a&gt; <code>b</code> c"
    assert "<br>" in page.stacked("3 (2 to 4)")
    assert page.stacked("1077 (full)") == "1077 (full)"


def test_processes_draw_what_one_would() -> None:
    first, again = (fresh([4, 16], [0.1, 1.0], 3) for _ in range(2))
    with mpl.rc_context(STYLE):
        expected = {item.name: drawing.drawn(item.figure) for item in first.illustrations}
        assert drawing.all_drawn(again.illustrations) == expected


def test_the_time_of_stages_is_told_as_far_as_it_is_known() -> None:
    said = MADE.facts["time of the stages"]
    assert said == (
        "preprocess 1.50 s, train 2 s (1 of 2 packs, the others restored from the cache), "
        "confirm restored from the cache"
    )


def test_one_rate_cannot_tell_what_other_rates_do() -> None:
    ledger = content([4, 16], [1.0], 3).claims.set_index("id")
    assert ledger.loc["lr-window", "verdict"] == "not tested"


def test_an_edge_is_confessed() -> None:
    assert any("edge of the grid" in said for said in content([4], [0.1, 1.0], 3).warnings)
    assert any("luck" in said for said in content([4], [0.1, 1.0], 2).warnings)


def test_the_same_tables_give_the_same_bytes() -> None:
    first, again = (rendered(fresh([4, 16], [0.1, 10.0, 1.0], 3)) for _ in range(2))
    assert first == again


def test_the_order_of_rows_does_not_matter() -> None:
    params, found = study([4, 16, 64], [0.01, 0.1, 1.0, 10.0], 3)
    tables = ("history", "lanes", "confirmed", "confirmed_lanes", "evaluation")
    shuffled = replace(
        found,
        **{
            name: getattr(found, name).sample(frac=1, random_state=7, ignore_index=True)
            for name in tables
        },
    )
    with mpl.rc_context(STYLE):
        first, again = (compile_content(params, one) for one in (found, shuffled))
    assert first.headline == again.headline
    pd.testing.assert_frame_equal(first.summary, again.summary)
    pd.testing.assert_frame_equal(first.claims, again.claims)
    for name in ("tradeoff", "rates", "budgets", "critical", "windows", "sensitivity"):
        pd.testing.assert_frame_equal(first.tables[name], again.tables[name])


def test_a_study_that_diverged_everywhere_but_once() -> None:
    made = content([4, 16], [0.1, 1.0], 3, diverging=1.0)
    assert made.headline == "No recommendation: every batch size fails: misses the target."
    assert "diverged" in rendered(made)[1]


class Links(HTMLParser):
    """Collects what a page refers to, and images without alternative text."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.silent_images = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.references += [str(found[name]) for name in ("src", "href") if name in found]
        self.silent_images += tag == "img" and not found.get("alt")


def test_the_page_needs_no_network_and_speaks_for_its_images() -> None:
    links = Links()
    links.feed(rendered(content([4, 16], [0.1, 1.0], 3))[0])
    assert links.silent_images == 0
    assert all(
        ref.startswith(("data:", "tables/", "#")) or ref == "claims.csv" for ref in links.references
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.00002, "20 µs"),
        (0.0345, "34.5 ms"),
        (0.9996, "1.00 s"),
        (5.0, "5 s"),
        (300.0, "5 min"),
        (np.nan, "–"),
    ],
)
def test_durations_have_a_unit_that_fits(value: float, words: str) -> None:
    assert text.seconds(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (12345.6, "12,300"),
        (0.123456, "0.123"),
        (0.97, "0.970"),
        (7.0, "7"),
        (7.01, "7.01"),
        (999.6, "1,000"),
        (130.4, "130"),
        (np.nan, "–"),
    ],
)
def test_numbers_have_three_digits(value: float, words: str) -> None:
    assert text.number(value) == words
    assert text.size(2048) == "2 KiB"


def test_the_command_that_makes_it_again() -> None:
    assert MADE.command == (
        "python -m pipeline.stages.config ++budget.epochs=4 '++grid.lr=[0.1, 1.0]' && dvc repro"
    )
