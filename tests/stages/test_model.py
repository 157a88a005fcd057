"""The recommended model is kept, and its card says how to use it."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from makers.project import Project, commit
from pipeline.stages import model

pytestmark = pytest.mark.slow


def test_the_card_s_code_scores_as_the_evaluation_says(built: Project, tmp_path: Path) -> None:
    best = json.loads(built.read("reports/recommendation.json"))["recommended"]
    folder = tmp_path / "elsewhere"
    shutil.copytree(built.folder / "results/model", folder)
    code = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)[0]
    known: dict[str, Any] = {}
    before = Path.cwd()
    try:
        os.chdir(folder)
        exec(code, known)
    finally:
        os.chdir(before)
    arrays = load_file(built.folder / "data/processed/examples.safetensors")
    with torch.no_grad():
        guessed = known["predict"](arrays["test_x"]).argmax(1)
    table = pd.read_csv(built.folder / "results/evaluation.csv")
    row = table[
        (table["budget"] == "whole budget")
        & (table["batch_size"] == best["batch_size"])
        & (table["lr"] == best["lr"])
    ].sort_values("seed").iloc[0]  # fmt: skip
    assert (guessed == arrays["test_y"]).float().mean().item() == pytest.approx(row["test_score"])
    assert f"test accuracy: {row['test_score']:.4g}" in (folder / "README.md").read_text()


def test_dvc_hands_it_out(study: Project, tmp_path: Path) -> None:
    commit(study)
    identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
    study.run("git", *identity, "tag", "--annotate", "recommended@v1.0.0", "--message", "The first")
    study.run("dvc", "artifacts", "get", ".", "recommended", "-o", "got")
    for name in ("README.md", "model.json", "model.safetensors"):
        kept = (study.folder / "results/model" / name).read_bytes()
        assert (study.folder / "got" / name).read_bytes() == kept


def test_without_a_recommendation_none_is_kept(
    study: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study.folder)
    headline = "No recommendation: none is fast."
    path = Path("reports/recommendation.json")
    answer = json.loads(path.read_text()) | {"headline": headline, "recommended": None}
    path.write_text(json.dumps(answer))
    model.main()
    card = Path("results/model/README.md").read_text()
    assert "Without a recommendation no model is kept." in card
    assert headline in card
    assert [path.name for path in Path("results/model").iterdir()] == ["README.md"]
