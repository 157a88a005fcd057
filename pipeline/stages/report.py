"""Tables, figures, the page, and the numbers DVC compares between experiments.

Writes reports/: report.html, report.md, claims.csv, metrics.json, recommendation.json, tables/,
figures/.
"""

import json
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

from pipeline import params
from pipeline.analysis.recommendation import Recommendation
from pipeline.errors import command
from pipeline.params import Params
from pipeline.reporting import drawing, page
from pipeline.reporting.axes import STYLE
from pipeline.reporting.content import Content, compile_content
from pipeline.reporting.measurements import Measurements
from pipeline.reporting.provenance import Provenance
from pipeline.stages import files, timing
from pipeline.stages.git import git

CHOICE = (
    "variant",
    "batch_size",
    "lr",
    "seconds_to_target",
    "seconds_to_target_low",
    "seconds_to_target_high",
    "steps_to_target",
    "steps_to_target_low",
    "steps_to_target_high",
    "seconds_per_step",
    "peak_bytes",
    "test_score",
    "test_score_low",
    "test_score_high",
    "seeds",
    "reached",
)


def measurements(config: Params) -> Measurements:
    """Read what the earlier stages wrote."""
    results = files.RESULTS
    return Measurements(
        files.runs(config, "history.parquet"),
        files.runs(config, "lanes.parquet"),
        pd.read_csv(results / "selection.csv"),
        pd.read_parquet(results / "confirm.parquet"),
        pd.read_parquet(results / "confirm_lanes.parquet"),
        pd.read_csv(results / "evaluation.csv"),
        pd.read_csv(results / "sharpness.csv"),
        pd.read_csv(results / "landscape.csv"),
        pd.read_csv(results / "gradient_noise.csv"),
        pd.read_csv(results / "throughput.csv"),
        json.loads((files.PROCESSED / "summary.json").read_text()),
        *(
            pd.read_csv(files.PROCESSED / f"{name}.csv", keep_default_na=False, na_values=[""])
            for name in ("features", "classes", "columns")
        ),
    )


def plain(value: Any) -> Any:
    """A table's value as JSON has it: NaN is null."""
    if isinstance(value, str) or not pd.isna(value):
        return value.item() if isinstance(value, np.generic) else value
    return None


def chosen(row: pd.Series | None) -> dict[str, Any] | None:
    """A row of the tradeoff table as plain numbers."""
    return None if row is None else {name: plain(row[name]) for name in CHOICE}


def advice_json(advice: Recommendation, headline: str) -> dict[str, Any]:
    """The recommendation for other programs."""
    return {
        "headline": headline,
        "recommended": chosen(advice.best),
        "runner_up": chosen(advice.runner_up),
        "reason": advice.reason,
    }


def metrics(content: Content) -> dict[str, Any]:
    """The few numbers that `dvc exp show` compares."""
    best = chosen(content.advice.best) or {}
    names = ("batch_size", "lr", "seconds_to_target", "steps_to_target", "test_score")
    scores = content.tables["tradeoff"]["test_score"]
    return {
        "target": content.target,
        "recommended": {name: best.get(name) for name in names},
        "best_test_score": plain(scores.max()),
    }


def provenance(config: Params) -> Provenance:
    """What the page says of how it was made."""
    commit = (git("rev-parse", "HEAD") or "").strip()
    changed = git("status", "--porcelain", "--", "pipeline", "conf", "params.yaml", "dvc.yaml")
    overrides = json.loads(files.OVERRIDES.read_text())
    seconds = timing.stage_seconds(config)
    return Provenance(files.PARAMS.read_text(), overrides, commit, bool(changed), seconds)


def write(content: Content, made: Provenance) -> None:
    """Write everything below reports/; the pages come last."""
    reports = files.REPORTS
    for name, table in content.tables.items():
        files.write_csv(reports / "tables" / f"{name}.csv", table)
    images = drawing.all_drawn(content.illustrations)
    for name, kinds in images.items():
        for kind, image in kinds.items():
            files.write_bytes(reports / "figures" / f"{name}.{kind}", image)
    files.write_csv(reports / "claims.csv", content.claims)
    files.write_json(reports / "metrics.json", metrics(content))
    advice = advice_json(content.advice, content.headline)
    files.write_json(reports / "recommendation.json", advice)
    files.write_text(reports / "report.md", page.markdown(content, made))
    files.write_text(reports / "report.html", page.html(content, images, made))


@command
def main() -> None:
    """Read all results, write reports/, print the recommendation and where the report is."""
    config = params.load(files.PARAMS)
    with mpl.rc_context(STYLE):
        content = compile_content(config, measurements(config))
        write(content, provenance(config))
    print(content.headline)
    print(f"Report: {files.REPORTS / 'report.html'}")


if __name__ == "__main__":
    main()
