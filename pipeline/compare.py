"""Experiments beside each other: what they recommend, and their tradeoff curves.

    python -m pipeline.compare EXPERIMENT EXPERIMENT ...

An experiment is a name that `dvc exp show` lists, a branch or a commit; `workspace` is what lies
here. Prints a Markdown table and writes it with the curves to reports/comparison.md and .svg.
"""

import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from omegaconf import OmegaConf

from pipeline.analysis.frame import Frame
from pipeline.errors import InputError, command
from pipeline.params.load import DERIVED, flattened
from pipeline.reporting.figures import drawing
from pipeline.reporting.figures.axes import STYLE
from pipeline.reporting.figures.tradeoff import compared
from pipeline.reporting.words import numbers
from pipeline.workspace import files
from pipeline.workspace.git import git

WORKSPACE = "workspace"
TRADEOFF, PARAMS = "reports/tables/tradeoff.csv", "params.yaml"
RECOMMENDATION = "reports/recommendation.json"
SHOWN = 60


@dataclass(frozen=True)
class Experiment:
    """What one experiment left behind."""

    name: str
    params: dict[str, Any]
    recommendation: dict[str, Any]
    tradeoff: pd.DataFrame


def revision(name: str) -> str:
    """The commit of an experiment, a branch or a commit.

    Raises InputError for anything else.
    """
    commit = git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if commit is None:
        refs = (git("for-each-ref", "--format=%(refname)", "refs/exps") or "").split()
        commit = next((ref for ref in refs if ref.rsplit("/", 1)[-1] == name), None)
    if commit is None:
        rule = "is neither an experiment nor a commit; `dvc exp show` lists the experiments"
        raise InputError(f"compare: {name!r} {rule}")
    return commit.strip()


def read(name: str, path: str) -> str:
    """A file of an experiment.

    Raises InputError where it has none.
    """
    content = None
    if name == WORKSPACE:
        content = Path(path).read_text() if Path(path).is_file() else None
    else:
        content = git("show", f"{revision(name)}:{path}")
    if content is None:
        raise InputError(f"compare: {name!r} has no {path}; `dvc repro` makes it")
    return content


def experiment(name: str) -> Experiment:
    """Read one experiment."""
    return Experiment(
        name,
        flattened(OmegaConf.to_container(OmegaConf.create(read(name, PARAMS)))),
        dict(OmegaConf.to_container(OmegaConf.create(read(name, RECOMMENDATION)))),  # type: ignore[arg-type]
        pd.read_csv(io.StringIO(read(name, TRADEOFF))),
    )


def differences(experiments: list[Experiment]) -> list[str]:
    """The keys of params.yaml that are not the same in all of them."""
    keys = dict.fromkeys(key for one in experiments for key in one.params)
    asked = [key for key in keys if not key.startswith(DERIVED)]
    missing = object()
    return [
        key
        for key in asked
        if any(
            one.params.get(key, missing) != experiments[0].params.get(key, missing)
            for one in experiments[1:]
        )
    ]


def table(experiments: list[Experiment]) -> pd.DataFrame:
    """One row per experiment: what it was asked and what it recommends."""
    keys = differences(experiments)
    rows = []
    for one in experiments:
        asked = {key: shortened(one.params.get(key, "–")) for key in keys}
        rows.append({"experiment": one.name} | asked | recommended(one))
    return pd.DataFrame(rows)


def recommended(one: Experiment) -> dict[str, str]:
    """The recommendation in words; dashes where there is none."""
    best = pd.Series(one.recommendation["recommended"] or {}, dtype=object)
    took, low, high = (best.get(f"seconds_to_target{end}") for end in ("", "_low", "_high"))
    within = numbers.interval(low, high, numbers.seconds)
    return {
        "batch size": numbers.number(best.get("batch_size")),
        "learning rate": numbers.rate(best.get("lr")),
        "time to target": f"{numbers.seconds(took)} ({within})",
        "test score": numbers.number(best.get("test_score")),
    }


def shortened(value: Any) -> str:
    """A value of params.yaml that fits a table."""
    words = str(value)
    return words if len(words) <= SHOWN else f"{words[:SHOWN]}…"


def markdown(rows: pd.DataFrame) -> str:
    """A table as Markdown."""
    lines = [list(rows.columns), ["---"] * len(rows.columns), *rows.astype(str).to_numpy().tolist()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def curves(experiments: list[Experiment]) -> bytes:
    """Time to target and test score against batch size, a line for each experiment's variants."""
    named = [
        one.tradeoff.assign(variant=[label(one, name) for name in one.tradeoff["variant"]])
        for one in experiments
    ]
    whole = pd.concat(named, ignore_index=True)
    frame = Frame(0, "score", "each experiment's own", tuple(dict.fromkeys(whole["variant"])))
    with mpl.rc_context(STYLE):
        return drawing.drawn(compared(whole, frame))["svg"]


def label(one: Experiment, variant: str) -> str:
    """A line's name: the experiment's, and the variant's where it has several."""
    return one.name if one.tradeoff["variant"].nunique() == 1 else f"{one.name}: {variant}"


@command
def main() -> None:
    """Compare the experiments named on the command line."""
    names = sys.argv[1:]
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError("usage: python -m pipeline.compare EXPERIMENT EXPERIMENT ...")
    experiments = [experiment(name) for name in names]
    words = markdown(table(experiments))
    files.write_bytes(files.REPORTS / "comparison.svg", curves(experiments))
    image = "![Time to target and test score against batch size](comparison.svg)\n"
    files.write_text(files.REPORTS / "comparison.md", f"{words}\n{image}")
    print(words, end="")


if __name__ == "__main__":
    main()
