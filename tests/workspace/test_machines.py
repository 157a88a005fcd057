"""The files of other machines."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.params.load import Params
from pipeline.params.network import Model
from pipeline.params.protocol import Grid, Machine, Watched
from pipeline.params.trainer import Trainer
from pipeline.workspace import files, machines

DATA = {"task": "classification", "shape": [64], "outputs": 10, "examples": {"train": 9}}
VARIANTS = {"baseline": {}, "adam": {"optimizer": {"name": "adam"}}}


def params(**keys: object) -> Params:
    return Params(grid=Grid(["baseline", "adam"]), variants=VARIANTS, **keys)  # type: ignore[arg-type]


def test_timings_hang_on_network_optimizer_and_shapes_alone() -> None:
    first = machines.timed(params(), DATA)
    assert first == machines.timed(params(seed=3, scaling="none"), {**DATA, "examples": {}})
    assert first["baseline"] != first["adam"]
    wider = machines.timed(params(model=Model("mlp", [256])), DATA)
    assert not set(first.values()) & set(wider.values())
    assert first["baseline"] != machines.timed(params(), {**DATA, "outputs": 2})["baseline"]


def test_only_what_is_timed_here_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame({"variant": ["baseline", "adam"], "batch_size": 8, "seconds": [0.1, 0.2]})
    machines.keep("far", table, {"baseline": "a", "adam": "b"})
    machines.keep("near", table, {"baseline": "c", "adam": "b"})
    read = machines.read({"baseline": "a", "adam": "b"})
    assert list(read) == ["far", "near"]
    pd.testing.assert_frame_equal(read["far"], table)
    assert read["near"]["variant"].tolist() == ["adam"]


def test_what_is_said_of_a_machine_is_checked() -> None:
    known = params(machines={"far": {"watts": 30, "price_per_hour": None}})
    assert known.machine("far") == Machine(watts=30)
    assert known.machine("unknown") == Machine()
    with pytest.raises(InputError, match=r"machines\.far: 'price' is none of memory_gb, price_per"):
        params(machines={"far": {"price": 1}})
    with pytest.raises(InputError, match=r"machines\.here\.memory_gb: 2 is for other machines"):
        params(machines={"here": {"memory_gb": 2}})
    with pytest.raises(InputError, match=r"machines\.far\.watts: 0 is not a number above 0"):
        params(machines={"far": {"watts": 0}})


def test_a_program_is_told_apart_by_what_its_files_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trainer = Trainer(
        "command", "p {batch_size} {lr} {seed} {steps} {out} {variant}", train_examples=99
    )
    outside = params(trainer=trainer, watched=Watched(program=["p"]))
    files.write_text(files.watched("p"), "one")
    first = machines.timed(outside, {"task": "unknown"})
    files.write_text(files.watched("p"), "two")
    assert not set(first.values()) & set(machines.timed(outside, {"task": "unknown"}).values())


def test_a_file_of_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files.write_csv(Path("machines/mine.csv"), pd.DataFrame({"a": [1]}))
    with pytest.raises(InputError, match=r"machines/mine\.csv: \['a'\] was not written by"):
        machines.read({"baseline": "a"})
