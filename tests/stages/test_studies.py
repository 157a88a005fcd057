"""Every study composes, and every variant of it trains."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from makers.packs import make_job
from makers.project import ROOT
from makers.sources import text
from pipeline.lanes import trainings
from pipeline.lanes.run import train_lanes
from pipeline.params.load import Params, from_config
from pipeline.stages import config, preprocess
from pipeline.training import budget, dataset, device
from pipeline.workspace import files

STUDIES = sorted(path.stem for path in (ROOT / "conf" / "study").glob("*.yaml"))


STUDIES.remove("all")  # its variants are those of others


TINY = ["budget.epochs=1", "budget.min_steps=8", "budget.evaluations=3", "grid.seeds=2"]


@pytest.fixture
def composed(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Params:
    """A study with one batch size and a tiny budget, its data preprocessed."""
    (tmp_path / "own.txt").write_text(text(20_000))
    elsewhere = {
        "keskar_f1": ["data=digits"],
        "cifar": ["data=digits"],
        "transformer": [f"data.path={tmp_path / 'own.txt'}"],
        "nanogpt": [f"data.path={tmp_path / 'own.txt'}"],
    }.get(request.param, [])
    overrides = [f"study={request.param}", *elsewhere, *TINY, "grid.batch_size=[32]"]
    composed = config.composed(overrides)
    monkeypatch.chdir(tmp_path)
    files.write_text(files.PARAMS, composed)
    preprocess.main()
    return from_config(OmegaConf.create(composed))


@pytest.mark.slow
@pytest.mark.parametrize("composed", STUDIES, indirect=True)
def test_every_variant_trains(composed: Params) -> None:
    where = device.device("cpu")
    for variant in composed.grid.variant:
        data = dataset.load(files.PROCESSED, composed.settings(variant).scaling, where)
        for size in composed.grid.batch_size:
            cells = composed.cells(variant, size, budget.resolve(size, len(data.train)))
            pack = trainings.make_pack(composed, variant, size, cells[:2], data)
            trained = train_lanes(pack, make_job(data))
            assert not trained.diverged_step.any(), variant
            assert np.isfinite(trained.finals["final_val_loss"]).all()


@pytest.mark.slow
def test_rates_of_a_batch_rule() -> None:
    large_batch = from_config(OmegaConf.create(config.composed(["study=large_batch"])))
    rates = {
        name: {cell.lr for cell in large_batch.cells(name, 512, 512)} for name in ("linear", "sqrt")
    }
    assert rates == {"linear": {round(0.3162 * 16, 3)}, "sqrt": {round(0.3162 * 4, 3)}}
    warm = large_batch.settings("linear_warmup").schedule
    assert dataclasses.replace(warm, warmup_steps=0) == large_batch.settings("linear").schedule
