"""A text through the whole pipeline."""

import json

import numpy as np
import pandas as pd
import pytest

from makers.project import Project
from makers.sources import text


@pytest.mark.slow
def test_a_text_and_a_transformer(study: Project) -> None:
    (study.folder / "own.txt").write_text(text(6000))
    study.compose(
        "data=text", "data.path=own.txt", "data.text.context=8", "model.layers=1", "model.heads=1",
        "model.width=8", "grid.batch_size=[32]", "grid.lr=[0.01,0.03]", "grid.extensions=0",
        "grid.race=false", "evaluation.examples=20", "throughput.blocks=3",
    )  # fmt: skip
    study.repro()
    report = study.read("reports/report.md")
    for words in (
        "own.txt (MD5 ", "language, windows of 8 tokens", "test perplexity",
        "32 of them are 256 tokens", "transformer, layers 1, width 8, heads 1, learned",
    ):  # fmt: skip
        assert words in report
    table = pd.read_csv(study.folder / "results/evaluation.csv")
    assert np.allclose(table["test_perplexity"], np.exp(table["test_loss"]))
    assert (table["test_score"] > 0.3).all()  # of a dozen letters the most frequent is every fifth
    told = json.loads(study.read("results/model/model.json"))
    assert told["classes"] == sorted(set(text(6000)))
    card = study.read("results/model/README.md")
    assert "next-token accuracy" in card
    assert "scaling" not in card
