"""A schedule of growing batches from the local critical batch sizes."""

import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makers.project import ROOT
from pipeline import ramp
from pipeline.errors import InputError
from pipeline.params.load import Params
from pipeline.params.optimizer import Optimizer
from pipeline.params.schedule import Budget
from pipeline.ramp import Ramp
from pipeline.workspace import files


def table(critical: list[float]) -> pd.DataFrame:
    """Moments at 100, 200, 400, ... examples."""
    return pd.DataFrame(
        {"examples": [100 * 2**place for place in range(len(critical))], "critical": critical}
    )


def test_it_doubles_where_the_critical_batch_size_does() -> None:
    found = ramp.ramp(table([20, 40, 80, 160]))
    assert found.sizes == (16, 32, 64, 128)
    # the critical size goes as the examples: 32 is reached at 100 x 32 / 20
    assert found.begins == (0, 160, 320, 640)


def test_a_fall_in_between_is_not_followed() -> None:
    assert ramp.ramp(table([16, 70, 30, 130])) == ramp.ramp(table([16, 70, 70, 130]))


@given(st.lists(st.floats(1, 4096), min_size=2, max_size=6))
def test_a_batch_never_is_beyond_the_critical_one(critical: list[float]) -> None:
    moments = table(critical)
    try:
        found = ramp.ramp(moments)
    except InputError:
        assert math.floor(math.log2(max(critical))) == math.floor(math.log2(critical[0]))
        return
    assert list(found.begins) == sorted(found.begins)
    largest = np.maximum.accumulate(moments["critical"])
    for size, begin in zip(found.sizes[1:], found.begins[1:], strict=True):
        there = np.exp(np.interp(np.log(begin), np.log(moments["examples"]), np.log(largest)))
        assert size <= there * 1.000001


def test_moments_at_which_no_loss_falls_are_left_out() -> None:
    assert ramp.ramp(table([np.nan, 40, np.nan, 160])).sizes == (32, 64, 128)
    with pytest.raises(InputError, match="too few moments"):
        ramp.ramp(table([np.nan, 40, np.nan]))


def test_it_is_said_in_the_words_of_each_loop() -> None:
    found = Ramp((16, 32, 64), (0, 160, 320))
    params = Params(budget=Budget(epochs=2, min_steps=10), optimizer=Optimizer("adamw"))
    assert ramp.overrides(found, params, 1600) == (
        "schedule=growth 'schedule.milestones=[0.05, 0.1]' schedule.factor=0.5 "
        "schedule.exchange=adam 'grid.batch_size=[16]'"
    )
    assert ramp.megatron(found, 1) == '--step-batch-size-schedule "0:16 160:32 320:64"'
    assert ramp.megatron(found, 8) == '--step-batch-size-schedule "0:16 1280:32 2560:64"'
    assert ramp.olmo_core(found, 8) == (
        "BatchSizeSchedulerCallback(batch_sizes=[128, 256, 512], "
        "schedule=[Duration.tokens(0), Duration.tokens(1280), Duration.tokens(2560)])"
    )


def test_without_growth_there_is_no_ramp() -> None:
    with pytest.raises(InputError, match="stays between 16 and 32"):
        ramp.ramp(table([20, 17, 30]))


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a report it asks for one, without branches it says so, and else it prints."""
    monkeypatch.chdir(tmp_path)
    path = files.REPORTS / "tables" / "local_critical.csv"
    for moments, told in ((None, "no such file"), (table([])[:0], "no training was branched")):
        if moments is not None:
            files.write_csv(path, moments)
        with pytest.raises(SystemExit):
            ramp.main()
        assert f"local_critical.csv: {told}" in capsys.readouterr().err
    files.write_csv(path, table([20, 40, 80, 160]))
    with pytest.raises(SystemExit):
        ramp.main()
    assert "summary.json: no such file" in capsys.readouterr().err
    summary = {"task": "language", "shape": [8], "examples": {"train": 1600}}
    files.write_json(files.PROCESSED / "summary.json", summary)
    shutil.copy(ROOT / "params.yaml", files.PARAMS)
    ramp.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "# 4 moments of 800 examples up to the target"
    assert lines[1].startswith("schedule=growth 'schedule.milestones=[")
    assert lines[2] == '--step-batch-size-schedule "0:16 1280:32 2560:64 5120:128"'
