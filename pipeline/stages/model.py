"""Keep the recommended model: the weights of one of its fresh trainings, and a card.

Of the fresh seeds the first that came to its end: the best one would be the luckiest. Writes
results/model/: README.md, and, where this project trained and something is recommended,
model.safetensors and model.json, what else there is to know for using it.
"""

import json
import shutil
import sys
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from pipeline.errors import command
from pipeline.params.load import Params, load_params
from pipeline.selection.keys import WHOLE, rows_of
from pipeline.workspace import files

FOLDER = files.RESULTS / "model"
HEAD = """---
library_name: pytorch
tags: [batchwise, {task}]
---

# {title}

{headline}
"""
SCORES = {"classification": "accuracy", "regression": "R²", "language": "next-token accuracy"}
STANDARDISED = " What comes out is the target less `target_mean`, over `target_sd`."
OF_NUMBERS = """
The inputs of training were `(x - offset) * scale` of the raw ones, feature by feature or channel by
channel ({scaling} scaling, fitted on the training part).{unit} A table's columns became features as
`encoding` in `model.json` says.
"""
PREDICT_NUMBERS = """def predict(x: torch.Tensor) -> torch.Tensor:
    each = (1, -1, *[1] * (x.ndim - 2))
    offset, scale = (torch.tensor(told[name]).double().view(each) for name in ("offset", "scale"))
    return model(((x - offset) * scale).float())"""
OF_TOKENS = """
The inputs are tokens, whole numbers (windows, context); `classes` in `model.json` names them by
their numbers, and `encoding` says what made them. What comes out for each are the logarithms of the
next token's odds.
"""
PREDICT_TOKENS = """def predict(x: torch.Tensor) -> torch.Tensor:
    return model(x)"""
USE = """
## Use it
{inputs}
```python
import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from pipeline.models.build import build
from pipeline.params.network import Model

told = json.loads(Path("model.json").read_text())
model = build(Model(**told["model"]), tuple(told["shape"]), told["outputs"])
model.load_state_dict(load_file("model.safetensors"))
model.eval()


{predict}
```

## What it is

{facts}

## What it is not

One training of {seeds} that came to their end with different seeds, the first, not the best:
their test scores lie between {low:.4g} and {high:.4g}. Its batch size and learning rate were chosen
for the time to the target, on this data and this machine, not for the best score.
"""


def solutions(best: dict[str, Any]) -> pd.DataFrame:
    """The recommended trainings that came to their end, by seed, as they were evaluated."""
    scores = pd.read_csv(files.RESULTS / "evaluation.csv")
    whole = scores[scores["budget"] == WHOLE]
    return rows_of(whole, best["variant"], best["batch_size"], best["lr"]).sort_values("seed")


def described(params: Params, best: dict[str, Any]) -> dict[str, Any]:
    """model.json: the network, its inputs and outputs, and how it was trained."""
    settings = params.settings(best["variant"]).at(best["batch_size"])
    summary = json.loads((files.PROCESSED / "summary.json").read_text())
    numbers = json.loads((files.PROCESSED / "scaling.json").read_text()).get(settings.scaling, {})
    told = ("task", "shape", "outputs", "features", "classes", "target_mean", "target_sd")
    return {
        "model": asdict(settings.model),
        **{name: summary[name] for name in told},
        **numbers,
        "encoding": json.loads((files.PROCESSED / "encoding.json").read_text()),
        "training": {
            "data": summary["source"],
            "examples": summary["examples"]["train"],
            "batch_size": best["batch_size"],
            "learning_rate": best["lr"],
            "optimizer": asdict(settings.optimizer),
            "schedule": asdict(settings.schedule),
            "augmentation": asdict(settings.augmentation),
        },
    }


def card(
    params: Params, answer: dict[str, Any], told: dict[str, Any], scores: list[float], steps: int
) -> str:
    """The model's card. scores: of the fresh trainings on the test part, the first of the model."""
    best, training = answer["recommended"], told["training"]
    measure = SCORES[told["task"]]
    facts = {
        "network": told["model"]["name"],
        "data": f"{training['data']}, {training['examples']:,} training examples",
        "batch size": training["batch_size"],
        "learning rate": f"{training['learning_rate']:g}",
        "optimizer": training["optimizer"]["name"],
        "schedule": training["schedule"]["name"],
        "steps": f"{steps:,}",
        f"test {measure}": f"{scores[0]:.4g}",
    }
    listed = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    head = HEAD.format(
        task=told["task"], title="The recommended model", headline=answer["headline"]
    )
    is_text = told["task"] == "language"
    scaling = params.settings(best["variant"]).scaling
    unit = STANDARDISED if told["task"] == "regression" else ""
    return head + USE.format(
        inputs=OF_TOKENS if is_text else OF_NUMBERS.format(scaling=scaling, unit=unit),
        predict=PREDICT_TOKENS if is_text else PREDICT_NUMBERS,
        facts=listed,
        seeds=len(scores),
        low=min(scores),
        high=max(scores),
    )


def why_none(params: Params, best: dict[str, Any] | None) -> str | None:
    """Why there is no model to keep; None where there is one."""
    if params.trainer.name != "lanes":
        return "Its weights stay with the program that trained it."
    if best is None:
        return "Without a recommendation no model is kept."
    is_whole = len(solutions(best)) > 0
    return None if is_whole else "No training of it came to its end, so that none is kept."


def keep(params: Params, answer: dict[str, Any]) -> None:
    """Write the weights, what else there is to know, and the card."""
    best = answer["recommended"]
    known = solutions(best)
    lanes = pd.read_parquet(files.RESULTS / "confirm_lanes.parquet")
    pack = rows_of(lanes, best["variant"], best["batch_size"]).reset_index(drop=True)
    is_kept = (pack["lr"] == best["lr"]) & (pack["seed"] == known["seed"].iloc[0])
    place = int(np.flatnonzero(is_kept)[0])
    prefix = f"{best['variant']}-{best['batch_size']}/"
    weights = {
        name.removeprefix(prefix): stacked[place]
        for name, stacked in load_file(files.RESULTS / "confirm.safetensors").items()
        if name.startswith(prefix)
    }
    told, steps = described(params, best), int(pack["steps"].iloc[place])
    files.write_tensors(FOLDER / "model.safetensors", weights)
    files.write_json(FOLDER / "model.json", told)
    words = card(params, answer, told, known["test_score"].tolist(), steps)
    files.write_text(FOLDER / "README.md", words)


@command
def main() -> None:
    """Read the recommendation and the fresh trainings, write results/model/."""
    params = load_params(files.PARAMS)
    answer = json.loads((files.REPORTS / "recommendation.json").read_text())
    shutil.rmtree(FOLDER, ignore_errors=True)
    reason = why_none(params, answer["recommended"])
    if reason:
        head = HEAD.format(task="none", title="No model", headline=answer["headline"])
        files.write_text(FOLDER / "README.md", f"{head}\n{reason}\n")
    else:
        keep(params, answer)
    print(f"model: {reason or FOLDER}", file=sys.stderr)


if __name__ == "__main__":
    main()
