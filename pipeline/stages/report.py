"""Tables, figures, the page, and the numbers DVC compares between experiments.

Writes reports/: report.html, report.md, claims.csv, metrics.json, recommendation.json, tables/,
figures/.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import pandas as pd
from safetensors.numpy import load_file

from pipeline.analysis import timings
from pipeline.analysis.measurements import Measurements
from pipeline.analysis.study import Study, tables
from pipeline.errors import command, require
from pipeline.params.load import Params, load_params
from pipeline.params.protocol import HERE
from pipeline.reporting import answers, sections
from pipeline.reporting.content import content_of
from pipeline.reporting.figures import drawing
from pipeline.reporting.figures.axes import STYLE
from pipeline.reporting.page import page
from pipeline.reporting.page.provenance import Provenance
from pipeline.workspace import durations, files, machines
from pipeline.workspace.git import git


def measurements(params: Params) -> Measurements:
    """Read what the earlier stages wrote."""
    results, processed = files.RESULTS, files.PROCESSED
    described = {
        name: pd.read_csv(processed / f"{name}.csv", keep_default_na=False, na_values=[""])
        for name in ("features", "classes", "columns")
    }
    summary = json.loads((processed / "summary.json").read_text())
    return Measurements(
        history=files.runs(params, "history.parquet"),
        lanes=files.runs(params, "lanes.parquet"),
        selection=pd.read_csv(results / "selection.csv"),
        confirmed=pd.read_parquet(results / "confirm.parquet"),
        confirmed_lanes=pd.read_parquet(results / "confirm_lanes.parquet"),
        contest=pd.read_parquet(results / "contest.parquet"),
        contest_lanes=pd.read_parquet(results / "contest_lanes.parquet"),
        evaluation=pd.read_csv(results / "evaluation.csv"),
        outcomes=load_file(results / "test_outcomes.safetensors"),
        sharpness=pd.read_csv(results / "sharpness.csv"),
        landscape=pd.read_csv(results / "landscape.csv"),
        gradient_noise=pd.read_csv(results / "gradient_noise.csv"),
        throughput=timings.with_later(
            pd.read_csv(results / "throughput.csv"), pd.read_csv(results / "retimed.csv")
        ),
        branches=pd.read_csv(results / "branches.csv"),
        range_tests=pd.read_csv(results / "range_tests.csv"),
        alignment=pd.read_csv(results / "alignment.csv"),
        data_parallel=pd.read_csv(results / "data_parallel.csv"),
        failed=files.failed(params),
        data=summary,
        machines={
            name: table.assign(later_over_earlier=float("nan"))
            for name, table in timed_elsewhere(params, summary).items()
        },
        **described,
    )


def timed_elsewhere(params: Params, summary: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """The timings of other machines.

    Raises InputError for a machine of which something is said and nothing timed.
    """
    found = machines.read(machines.timed(params, summary))
    for name in params.machines:
        rule = f"was not timed: `python -m pipeline.machines add {name}` there"
        require(name == HERE or name in found, "machines", name, rule)
    packs = len(list(params.packs()))
    for name, table in list(found.items()):
        missing = packs - int(table["in_grid"].sum())
        if table.empty:
            words = "is left out, for it timed other networks than this study's"
            del found[name]
        else:
            words = f"lacks {missing} of {packs} of the grid's batch sizes"
        if missing > 0:
            print(f"report: machines/{name}.csv {words}", file=sys.stderr)
    return found


def provenance(params: Params) -> Provenance:
    """What the page says of how it was made."""
    commit = (git("rev-parse", "HEAD") or "").strip()
    changed = git("status", "--porcelain", "--", "pipeline", "conf", "params.yaml", "dvc.yaml")
    overrides = json.loads(files.OVERRIDES.read_text())
    seconds = durations.stage_seconds(params)
    return Provenance(files.PARAMS.read_text(), overrides, commit, bool(changed), seconds)


def write(study: Study, made: Provenance) -> str:
    """Write everything below reports/, the pages last; returns the headline."""
    reports = files.REPORTS
    content = content_of(study)
    for name, table in tables(study).items():
        files.write_csv(reports / "tables" / f"{name}.csv", table)
    images = drawing.all_drawn(study, sections.illustrations(study))
    for name, kinds in images.items():
        for kind, image in kinds.items():
            files.write_bytes(reports / "figures" / f"{name}.{kind}", image)
    files.write_csv(reports / "claims.csv", content.claims)
    files.write_json(reports / "metrics.json", answers.metrics(study))
    answer = answers.recommendation(study, content.headline)
    files.write_json(reports / "recommendation.json", answer)
    files.write_text(reports / "report.md", page.markdown(content, made))
    files.write_text(reports / "report.html", page.html(content, images, made))
    return content.headline


@command
def main() -> None:
    """Read all results, write reports/, print the recommendation and where the report is."""
    params = load_params(files.PARAMS)
    with mpl.rc_context(STYLE):
        headline = write(Study(params, measurements(params)), provenance(params))
    print(headline)
    print(f"Report: {files.REPORTS / 'report.html'}")


if __name__ == "__main__":
    main()
