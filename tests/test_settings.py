"""The recommended setting, as loops take it: run against the libraries' own classes."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from pipeline import settings
from pipeline.errors import InputError
from pipeline.params.load import Params
from pipeline.params.optimizer import Optimizer
from pipeline.params.protocol import Grid
from pipeline.params.schedule import Schedule
from pipeline.params.trainer import Trainer
from pipeline.settings import Setting, Split, Tables
from pipeline.training.learning_rate import rate_factor
from pipeline.training.loop import torch_optimizer

BEST = {
    "variant": "baseline", "batch_size": 64, "lr": 0.25, "seconds_to_target": 1.5,
    "seconds_to_target_low": 1.0, "seconds_to_target_high": 2.0, "steps_to_target": 70.0,
    "steps_to_target_low": 60.0, "steps_to_target_high": 80.5,
}  # fmt: skip
SIZES = (1, 2, 4, 8, 16, 32, 64)
TABLES = Tables(
    throughput=pd.DataFrame(
        {"variant": "baseline", "batch_size": SIZES, "micro_batches": 1}
        | {"peak_bytes": [2**30 * (1 + size / 16) for size in SIZES]}
    ),
    rates=pd.DataFrame(
        {"variant": ["baseline"], "batch_size": [64], "lr": [0.25], "trained_steps": [300]}
    ),
    data_parallel=pd.DataFrame(
        {"variant": ["baseline"], "batch_size": [64], "devices": [2], "seconds_to_target": [0.9]}
    ),
)
OPTIMIZERS = (
    Optimizer(),
    Optimizer("sgd", momentum=0.9, weight_decay=1e-4),
    Optimizer("nesterov", momentum=0.9),
    Optimizer("adagrad", weight_decay=1e-4),
    Optimizer("rmsprop", momentum=0.5, beta2=0.9),
    Optimizer("adam", beta2=0.95),
    Optimizer("adamw", weight_decay=0.1, epsilon=1e-7),
)
FREE = Optimizer("schedule_free", weight_decay=0.1, beta2=0.95)
SCHEDULES = (
    Schedule(),
    Schedule(warmup_steps=7),
    Schedule("cosine", warmup_steps=7),
    Schedule("cosine"),
    Schedule("step", milestones=[0.4, 0.75], factor=0.1),
    Schedule("step", warmup_steps=3, milestones=[0.5], factor=0.2),
    Schedule("linear", warmup_steps=7),
    Schedule("wsd", warmup_steps=7, decay=0.3),
    Schedule("onecycle"),
)


def made(
    optimizer: Optimizer = OPTIMIZERS[0],
    schedule: Schedule = SCHEDULES[0],
    devices: int = 1,
    memory_gb: float | None = None,
) -> Setting:
    params = Params(optimizer=optimizer, schedule=schedule, grid=Grid(batch_size=[64]))
    return settings.setting(params, BEST, TABLES, devices, memory_gb)


def executed(loop: str, chosen: Setting, **modules: Any) -> dict[str, Any]:
    """What the printed code makes, for a small model."""
    model = torch.nn.Linear(3, 2)
    known = {"torch": torch, "math": math, "model": model, "dataset": list(range(200)), **modules}
    exec(settings.code(loop, chosen), known)
    return known


def groups(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in group.items() if key not in ("params", "initial_lr")}
        for group in optimizer.param_groups
    ]


class TestSplit:
    def test_the_batch_stays_the_same(self) -> None:
        for devices in (1, 2, 4, 64):
            for memory_gb in (None, 1.2, 1.5, 2.0, 9.0):
                parts = made(devices=devices, memory_gb=memory_gb)
                assert parts.batch_size == 64

    def test_the_fewest_micro_batches_that_fit(self) -> None:
        assert made(memory_gb=3.0).split == Split(1, 32, 2)
        assert made(memory_gb=2.0).split == Split(1, 16, 4)
        assert made(devices=4, memory_gb=2.0).split == Split(4, 16, 1)
        assert made(devices=4).split == Split(4, 16, 1)

    @pytest.mark.parametrize(
        ("devices", "memory_gb", "rule"),
        [
            (3, None, "--devices: 3 does not divide batch size 64; 1, 2, 4, 8, 16, 32, 64 do"),
            (1, 0.5, "--memory-gb: 0.5 is below the 1.06 GiB that a step takes at least"),
            (1, -1.0, "--memory-gb: -1.0 is not above 0"),
        ],
    )
    def test_what_cannot_be_is_refused(
        self, devices: int, memory_gb: float | None, rule: str
    ) -> None:
        with pytest.raises(InputError) as refused:
            made(devices=devices, memory_gb=memory_gb)
        assert str(refused.value) == rule


class TestTorch:
    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_the_optimizer_is_the_one_that_was_tuned(self, optimizer: Optimizer) -> None:
        known = executed("torch", made(optimizer))
        own = torch_optimizer(known["model"], optimizer, 0.25)
        assert type(known["optimizer"]) is type(own)
        assert groups(known["optimizer"]) == groups(own)

    def test_without_a_schedule_the_optimizer_warms_up(self) -> None:
        library = pytest.importorskip("schedulefree", reason="schedulefree is not installed")
        chosen = made(FREE, Schedule(warmup_steps=7))
        known = executed("torch", chosen, schedulefree=library)
        assert isinstance(known["optimizer"], library.AdamWScheduleFree)
        (group,) = groups(known["optimizer"])
        told = {key: group[key] for key in ("lr", "betas", "eps", "weight_decay", "warmup_steps")}
        assert told == {"lr": 0.25, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1,
                        "warmup_steps": 7}  # fmt: skip
        assert "scheduler" not in known
        assert "optimizer.train() comes before updates" in settings.code("torch", chosen)

    @pytest.mark.parametrize("schedule", SCHEDULES)
    def test_the_rate_moves_as_it_did(self, schedule: Schedule) -> None:
        known = executed("torch", made(schedule=schedule))
        rates = moved(known, 1)
        expected = [0.25 * rate_factor(schedule, n + 1, known["steps"]) for n in range(len(rates))]
        assert rates == pytest.approx(expected)

    def test_the_loader_and_the_counts(self) -> None:
        known = executed("torch", made(devices=2, memory_gb=2.0))
        assert known["loader"].batch_size == 16
        assert known["loader"].drop_last
        assert known["accumulation_steps"] == 2
        assert known["steps"] == 81  # a constant rate may end where nearly every seed is

    def test_a_rate_that_falls_falls_over_the_whole_budget(self) -> None:
        assert executed("torch", made(schedule=SCHEDULES[2]))["steps"] == 300


def moved(known: dict[str, Any], unit: int) -> list[float]:
    """The rate of each update, the scheduler stepped ``unit`` times after each."""
    rates = []
    for _ in range(known["steps"]):
        rates.append(known["optimizer"].param_groups[0]["lr"])
        known["optimizer"].step()
        for _ in range(unit if "scheduler" in known else 0):
            known["scheduler"].step()
    return rates


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # it has no logger to its liking
class TestLightning:
    def test_the_trainer_takes_it(self) -> None:
        lightning = pytest.importorskip("lightning", reason="Lightning is not installed")
        chosen = made(schedule=SCHEDULES[1], memory_gb=2.0)
        known = executed("lightning", chosen, lightning=lightning)
        assert known["trainer"].max_steps == 81
        assert known["trainer"].accumulate_grad_batches == 4
        assert known["lr_scheduler"]["interval"] == "step"


@pytest.mark.slow
class TestHuggingFace:
    @pytest.mark.parametrize("schedule", SCHEDULES)
    @pytest.mark.parametrize("optimizer", [OPTIMIZERS[1], OPTIMIZERS[5]])
    def test_the_trainer_takes_it(
        self, optimizer: Optimizer, schedule: Schedule, tmp_path: Path, monkeypatch: Any
    ) -> None:
        transformers = pytest.importorskip("transformers", reason="transformers is not installed")
        monkeypatch.chdir(tmp_path)
        chosen = made(optimizer, schedule, memory_gb=2.0)
        known = executed("huggingface", chosen, transformers=transformers)
        args = known["args"]
        assert args.per_device_train_batch_size * args.gradient_accumulation_steps == 64
        trainer = known.get("trainer") or transformers.Trainer(known["model"], args)
        trainer.create_optimizer_and_scheduler(args.max_steps)
        assert all(group["lr"] <= 0.25 for group in trainer.optimizer.param_groups)
        expected = [
            0.25 * rate_factor(schedule, n + 1, args.max_steps) for n in range(args.max_steps)
        ]
        known |= {"optimizer": trainer.optimizer, "scheduler": trainer.lr_scheduler}
        found = moved(known | {"steps": args.max_steps}, 1)
        late = max(abs(one - other) for one, other in zip(found, expected, strict=True))
        # its warm-up begins at 0, one update later than ours
        assert late <= (0.251 / schedule.warmup_steps if schedule.warmup_steps else 1e-9)

    def test_without_a_schedule_the_optimizer_warms_up(
        self, tmp_path: Path, monkeypatch: Any
    ) -> None:
        transformers = pytest.importorskip("transformers", reason="transformers is not installed")
        library = pytest.importorskip("schedulefree", reason="schedulefree is not installed")
        monkeypatch.chdir(tmp_path)
        chosen = made(FREE, Schedule(warmup_steps=7))
        known = executed("huggingface", chosen, transformers=transformers)
        trainer = transformers.Trainer(known["model"], known["args"])
        trainer.create_optimizer_and_scheduler(known["args"].max_steps)
        assert isinstance(trainer.optimizer, library.AdamWScheduleFree)
        group = trainer.optimizer.param_groups[0]
        assert (group["lr"], group["betas"], group["warmup_steps"]) == (0.25, (0.9, 0.95), 7)
        assert trainer.lr_scheduler.get_last_lr()[0] == 0.25


@pytest.mark.slow
class TestAccelerate:
    @pytest.mark.parametrize("schedule", SCHEDULES)
    @pytest.mark.parametrize("devices", [1, 4])
    def test_a_scheduler_that_steps_once_for_each_device(
        self, schedule: Schedule, devices: int
    ) -> None:
        accelerate = pytest.importorskip("accelerate", reason="accelerate is not installed")
        known = executed("accelerate", made(schedule=schedule, devices=devices),
                         accelerate=accelerate)  # fmt: skip
        expected = [
            0.25 * rate_factor(schedule, n + 1, known["steps"]) for n in range(known["steps"])
        ]
        assert moved(known, devices) == pytest.approx(expected)


def test_what_the_arguments_do_not_say_is_noted() -> None:
    text = settings.code("torch", made(Optimizer("lamb"), devices=2, memory_gb=2.0))
    assert text.startswith("# batch size 64 = 2 devices x 16 x 2 micro-batches\n")
    assert "# about 70 steps to the target, 900 ms as predicted for 2 devices" in text
    assert "# lamb is no optimizer of torch: bring your own" in text


def test_the_schedule_is_told_of_other_optimizers_too() -> None:
    chosen = made(Optimizer("muon", 0.95), Schedule("wsd", 7, decay=0.3))
    assert "scheduler = torch.optim.lr_scheduler.LambdaLR" in settings.code("torch", chosen)
    assert "scheduler = " in settings.code("huggingface", chosen)
    assert "# hidden matrices by torch.optim.Muon" in settings.code("torch", chosen)


def test_of_another_program_the_rate_alone_is_known() -> None:
    trainer = Trainer("runs", path="runs.csv")
    params = dataclasses.replace(Params(grid=Grid(batch_size=[64])), trainer=trainer)
    unweighed = dataclasses.replace(
        TABLES, throughput=TABLES.throughput.assign(peak_bytes=float("nan"))
    )
    chosen = settings.setting(params, BEST, unweighed, 1, None)
    text = settings.code("huggingface", chosen)
    assert "learning_rate=0.25" in text
    assert "optim=" not in text
    assert "optimizer, warm-up and schedule stay those of your program" in text
    with pytest.raises(InputError, match="no memory was measured: leave it out"):
        settings.setting(params, BEST, unweighed, 1, 4.0)
