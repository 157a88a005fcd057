"""The recommended setting as the arguments of the loops that people use.

    python -m pipeline.settings --for torch|lightning|huggingface|accelerate
                                [--devices N] [--memory-gb M]

Reads the report of the last study. A batch is spread over devices, and taken in micro-batches
where one does not fit; the batch itself is never changed.
"""

import argparse
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.errors import InputError, command, require
from pipeline.params.load import Params, load_params
from pipeline.params.network import WITH_BATCH_NORM
from pipeline.params.optimizer import WITH_BETAS, Optimizer
from pipeline.params.schedule import Schedule
from pipeline.reporting.words import numbers
from pipeline.selection.keys import rows_of
from pipeline.workspace import files

CLASSES = {
    "sgd": "torch.optim.SGD", "nesterov": "torch.optim.SGD", "adagrad": "torch.optim.Adagrad",
    "rmsprop": "torch.optim.RMSprop", "adam": "torch.optim.Adam", "adamw": "torch.optim.AdamW",
    "schedule_free": "schedulefree.AdamWScheduleFree",
}  # fmt: skip
"""The classes of optimizers, torch's or their authors'."""
IN_HUGGINGFACE = {"adamw": "adamw_torch", "schedule_free": "schedule_free_adamw"}
"""Optimizers that Hugging Face's arguments can name with all their numbers."""
HUGGINGFACE = ("constant", "growth", "cosine", "linear")
"""Schedules whose rate Hugging Face's arguments can name."""
LINE = 88


@dataclass(frozen=True)
class Split:
    """A batch as ``devices`` x ``per_device`` x ``accumulation`` examples."""

    devices: int
    per_device: int
    accumulation: int


@dataclass(frozen=True)
class Setting:
    """What to train with. steps: updates to make. optimizer, schedule: None where another program
    trained, which has its own. notes: what a loop's arguments do not say."""

    lr: float
    split: Split
    steps: int
    optimizer: Optimizer | None
    schedule: Schedule | None
    notes: tuple[str, ...]

    @property
    def batch_size(self) -> int:
        """Examples of an update."""
        return self.split.devices * self.split.per_device * self.split.accumulation


def split(
    batch_size: int, devices: int, memory_gb: float | None, peaks: "pd.Series[float]"
) -> Split:
    """Spread a batch over devices, in the fewest micro-batches that fit.

    peaks: bytes by the batch sizes that were weighed; a size between two takes at most what the
    larger one does.

    Raises InputError where the devices do not divide the batch, and where nothing fits.
    """
    divisors = [n for n in range(1, batch_size + 1) if batch_size % n == 0]
    rule = f"does not divide batch size {batch_size}; {', '.join(map(str, divisors))} do"
    require(devices in divisors, "--devices", devices, rule)
    local = batch_size // devices
    if memory_gb is None:
        return Split(devices, local, 1)
    require(memory_gb > 0, "--memory-gb", memory_gb, "is not above 0")
    rule = "cannot be kept, for no memory was measured: leave it out"
    require(len(peaks) > 0, "--memory-gb", memory_gb, rule)
    for micro in [n for n in reversed(divisors) if local % n == 0]:
        above = peaks[peaks.index >= micro]
        if len(above) and above.min() <= memory_gb * 2**30:
            return Split(devices, micro, local // micro)
    least = numbers.size(float(peaks.min()))
    raise InputError(f"--memory-gb: {memory_gb:g} is below the {least} that a step takes at least")


def setting(
    params: Params, best: Mapping[str, Any], tables: "Tables", devices: int, memory_gb: float | None
) -> Setting:
    """The recommended row of the tradeoff, ``best``, as a setting."""
    variant, size = best["variant"], int(best["batch_size"])
    is_outside = params.trainer.name != "lanes"
    chosen = params.settings(variant).at(size)
    schedule = None if is_outside else chosen.schedule
    optimizer = None if is_outside else chosen.optimizer
    known = rows_of(tables.throughput[tables.throughput["micro_batches"] == 1], variant)
    peaks = known.set_index("batch_size")["peak_bytes"].dropna()
    parts = split(size, devices, memory_gb, peaks)
    is_constant = schedule is None or schedule.name == "constant"
    trained = int(rows_of(tables.rates, variant, size)["trained_steps"].max())
    high = best["steps_to_target_high"]
    steps = trained if high is None or not is_constant else min(trained, math.ceil(high))
    notes = [reached_words(best, tables.data_parallel, parts.devices)]
    if is_outside:
        notes.append("optimizer, warm-up and schedule stay those of your program")
    if optimizer and optimizer.name == "muon":
        notes.append("hidden matrices by torch.optim.Muon(adjust_lr_fn='match_rms_adamw')")
        notes.append("and all else by AdamW, both at this rate")
    elif optimizer and optimizer.name == "schedule_free":
        notes.append("of `pip install schedulefree`; optimizer.train() comes before updates, and")
        notes.append("optimizer.eval() before evaluating and saving")
        if chosen.model.has_batch_norm:
            notes.append("what batch norm tracks is of the weights that are trained")
    elif optimizer and optimizer.name not in CLASSES:
        notes.append(f"{optimizer.name} is no optimizer of torch: bring your own")
    if optimizer and optimizer.clip_norm is not None:
        notes.append(f"gradients are clipped to norm {optimizer.clip_norm:g}, before each update")
    if optimizer and optimizer.ema:
        notes.append("evaluated and kept is an average of the weights, of torch.optim.swa_utils:")
        average = f"get_ema_multi_avg_fn({optimizer.ema:g})"
        notes.append(f"AveragedModel(model, multi_avg_fn={average})")
    if schedule and schedule.name == "growth":
        shares = ", ".join(f"{100 * share:.3g} %" for share in schedule.milestones)
        grown = f"the batch is multiplied by {1 / schedule.factor:.3g}"
        notes.append(f"{grown} after {shares} of all examples of the budget")
        if schedule.exchange == "adam":
            notes.append(f"and the rate is multiplied by {schedule.factor**0.5:.3g} there")
    if not is_outside and chosen.model.precision == "bfloat16":
        notes.append("the forward pass is under autocast in bfloat16: precision='bf16-mixed' of")
        notes.append("Lightning, bf16=True of Hugging Face, mixed_precision='bf16' of Accelerate")
    if not is_outside and chosen.model.precision == "tf32":
        notes.append("products are in TF32: torch.set_float32_matmul_precision('high'), or")
        notes.append("tf32=True of Hugging Face")
    has_norm = chosen.model.norm == "batch" or chosen.model.name in WITH_BATCH_NORM
    if not is_outside and has_norm and parts.per_device < size:
        notes.append(f"batch norm sees {parts.per_device} examples at a time here, not {size}")
    return Setting(best["lr"], parts, steps, optimizer, schedule, tuple(notes))


def reached_words(best: Mapping[str, Any], predicted: pd.DataFrame, devices: int) -> str:
    """How long it takes to the target, measured on one device, predicted for more."""
    steps = f"about {numbers.number(best['steps_to_target'])} steps to the target"
    if devices == 1:
        within = numbers.interval(
            best["seconds_to_target_low"], best["seconds_to_target_high"], numbers.seconds
        )
        return f"{steps}, {numbers.seconds(best['seconds_to_target'])} ({within})"
    rows = rows_of(predicted, best["variant"], int(best["batch_size"]))
    rows = rows[rows["devices"] == devices] if len(rows) else rows
    if rows.empty:
        return f"{steps}; on {devices} devices nothing was predicted"
    seconds = numbers.seconds(rows["seconds_to_target"].iloc[0])
    return f"{steps}, {seconds} as predicted for {devices} devices"


def call(name: str, *first: str, **named: Any) -> str:
    """A call as Python, on several lines where it is long; ``first``: arguments as they are."""
    words = [*first, *(f"{key}={value!r}" for key, value in named.items())]
    one_line = f"{name}({', '.join(words)})"
    if len(one_line) <= LINE:
        return one_line
    return f"{name}(\n{''.join(f'    {word},' + chr(10) for word in words)})"


def has_optimizer(chosen: Setting) -> bool:
    """Whether there is a class for the optimizer."""
    return chosen.optimizer is not None and chosen.optimizer.name in CLASSES


def is_schedule_free(chosen: Setting) -> bool:
    """Whether the optimizer does without a scheduler."""
    return chosen.optimizer is not None and chosen.optimizer.name == "schedule_free"


def optimizer_lines(chosen: Setting) -> list[str]:
    """The optimizer; the rate alone where there is no class for it, or the program has its own."""
    optimizer = chosen.optimizer
    if optimizer is None or not has_optimizer(chosen):
        return [f"lr = {chosen.lr!r}"]
    named: dict[str, Any] = {"lr": chosen.lr}
    if optimizer.momentum:
        named["momentum"] = optimizer.momentum
    if optimizer.name == "nesterov":
        named["nesterov"] = True
    if optimizer.name in WITH_BETAS:
        named |= {"betas": (optimizer.beta1, optimizer.beta2), "eps": optimizer.epsilon}
    if optimizer.name == "rmsprop":
        named |= {"alpha": optimizer.beta2, "eps": optimizer.epsilon}
    if optimizer.weight_decay or optimizer.name == "adamw":
        named["weight_decay"] = optimizer.weight_decay
    if optimizer.name == "schedule_free" and chosen.schedule:
        named["warmup_steps"] = chosen.schedule.warmup_steps
    made = call(CLASSES[optimizer.name], "model.parameters()", **named)
    return [f"optimizer = {made}"]


def factor(schedule: Schedule, steps: int, unit: int = 1) -> str:
    """``training.learning_rate.rate_factor`` as an expression of ``n``, the scheduler's steps so
    far, ``unit`` of them for each update; empty for a rate that never changes."""
    warmup, last = unit * schedule.warmup_steps, unit * steps
    if schedule.name == "onecycle":  # torch's, whose top lies between two updates
        top = unit * max(1e-9, 0.3 * steps - 1)
        rise = f"1 - 0.48 * (1 + math.cos(math.pi * n / {top!r}))"
        fall = f"math.cos(math.pi * (n - {top!r}) / {last - unit - top!r})"
        return f"{rise} if n <= {top!r} else 4e-06 + 0.499998 * (1 + {fall})"
    after = "1.0"
    if schedule.name == "cosine":
        after = f"0.5 * (1 + math.cos(math.pi * (n - {warmup}) / {max(unit, last - warmup)}))"
    if schedule.name == "linear":
        after = f"({last} - n) / {max(unit, last - warmup)}"
    if schedule.name == "wsd":
        after = f"min(1.0, ({last} - n) / {max(1.0, schedule.decay * last)!r})"
    if schedule.name == "step":
        places = [unit * int(share * steps) for share in schedule.milestones]
        after = f"{schedule.factor:g} ** sum(n >= place for place in {places})"
    if warmup:
        return f"(n + {unit}) / {warmup} if n < {warmup} else {after}"
    return "" if after == "1.0" else after


def scheduler_lines(chosen: Setting, unit: int = 1) -> list[str]:
    """torch's scheduler, ``unit`` steps of it for each update; none for a constant rate, and where
    the optimizer warms up by itself."""
    if chosen.schedule is None or is_schedule_free(chosen):
        return []
    if chosen.schedule.name == "onecycle" and unit == 1:
        named = {"total_steps": chosen.steps, "cycle_momentum": False}
        whole = call("torch.optim.lr_scheduler.OneCycleLR", "optimizer", repr(chosen.lr), **named)
        return [f"scheduler = {whole}"]
    text = factor(chosen.schedule, chosen.steps, unit)
    name = "torch.optim.lr_scheduler.LambdaLR"
    return [f"scheduler = {call(name, 'optimizer', f'lambda n: {text}')}"] if text else []


def loader_line(chosen: Setting) -> str:
    """A loader of one device's micro-batches; a batch that is not whole is left out."""
    named = {"batch_size": chosen.split.per_device, "shuffle": True, "drop_last": True}
    return f"loader = {call('torch.utils.data.DataLoader', 'dataset', **named)}"


def torch_lines(chosen: Setting) -> list[str]:
    """A plain loop accumulates and counts by itself."""
    return [
        loader_line(chosen),
        *optimizer_lines(chosen),
        *scheduler_lines(chosen),
        f"steps, accumulation_steps = {chosen.steps}, {chosen.split.accumulation}",
    ]


def lightning_lines(chosen: Setting) -> list[str]:
    """Lightning counts updates; its scheduler must be told to step after each."""
    schedulers = scheduler_lines(chosen)
    config = ["lr_scheduler = {'scheduler': scheduler, 'interval': 'step'}"] if schedulers else []
    trainer = call(
        "lightning.Trainer",
        max_steps=chosen.steps,
        accumulate_grad_batches=chosen.split.accumulation,
        devices=chosen.split.devices,
    )
    lines = [loader_line(chosen), *optimizer_lines(chosen), *schedulers, *config]
    return [*lines, f"trainer = {trainer}"]


def huggingface_lines(chosen: Setting) -> list[str]:
    """Hugging Face counts updates; what its arguments do not know is given to its Trainer."""
    named: dict[str, Any] = {
        "per_device_train_batch_size": chosen.split.per_device,
        "gradient_accumulation_steps": chosen.split.accumulation,
        "learning_rate": chosen.lr,
        "max_steps": chosen.steps,
        "dataloader_drop_last": True,
    }
    schedule, optimizer = chosen.schedule, chosen.optimizer
    if schedule is None or optimizer is None:
        return [f"args = {call('transformers.TrainingArguments', **named)}"]
    named["max_grad_norm"] = optimizer.clip_norm or 0.0
    is_known = schedule.name in HUGGINGFACE
    if is_known:
        is_warmed = schedule.warmup_steps > 0 and not is_schedule_free(chosen)
        warmed = "constant_with_warmup" if is_warmed else "constant"
        is_falling = schedule.name in ("cosine", "linear")
        named["lr_scheduler_type"] = schedule.name if is_falling else warmed
        named["warmup_steps"] = schedule.warmup_steps
    if optimizer.name in IN_HUGGINGFACE:
        named |= {
            "optim": IN_HUGGINGFACE[optimizer.name],
            "adam_beta1": optimizer.beta1,
            "adam_beta2": optimizer.beta2,
            "adam_epsilon": optimizer.epsilon,
            "weight_decay": optimizer.weight_decay,
        }
    arguments = f"args = {call('transformers.TrainingArguments', **named)}"
    if is_known and (optimizer.name in IN_HUGGINGFACE or not has_optimizer(chosen)):
        return [arguments]
    if not has_optimizer(chosen):
        return [arguments, *scheduler_lines(chosen)]
    schedulers = [] if is_known else scheduler_lines(chosen)
    pair = f"optimizers=(optimizer, {'scheduler' if schedulers else 'None'})"
    trainer = call("transformers.Trainer", "model", "args", "train_dataset=dataset", pair)
    return [arguments, *optimizer_lines(chosen), *schedulers, f"trainer = {trainer}"]


def accelerate_lines(chosen: Setting) -> list[str]:
    """Accelerate steps a prepared scheduler once for each device: its steps are that many."""
    named = {"gradient_accumulation_steps": chosen.split.accumulation}
    return [
        f"accelerator = {call('accelerate.Accelerator', **named)}",
        loader_line(chosen),
        *optimizer_lines(chosen),
        *scheduler_lines(chosen, chosen.split.devices),
        f"steps = {chosen.steps}",
    ]


LOOPS: dict[str, Callable[[Setting], list[str]]] = {
    "torch": torch_lines,
    "lightning": lightning_lines,
    "huggingface": huggingface_lines,
    "accelerate": accelerate_lines,
}


def code(loop: str, chosen: Setting) -> str:
    """The lines of a loop as Python, after notes."""
    parts = chosen.split
    many = f"{parts.devices} devices x " if parts.devices > 1 else ""
    several = f" x {parts.accumulation} micro-batches" if parts.accumulation > 1 else ""
    size = f"batch size {chosen.batch_size}"
    if many or several:
        size += f" = {many}{parts.per_device}{several}"
    notes = [f"# {note}" for note in (size, *chosen.notes)]
    return "\n".join([*notes, *LOOPS[loop](chosen)])


@dataclass(frozen=True)
class Tables:
    """What of the report a setting is made from."""

    throughput: pd.DataFrame
    rates: pd.DataFrame
    data_parallel: pd.DataFrame


def read_report() -> tuple[Mapping[str, Any], Tables]:
    """The recommended row, and the tables beside it.

    Raises InputError where there is no report, or none that recommends.
    """
    path = files.REPORTS / "recommendation.json"
    if not path.is_file():
        raise InputError(f"{path}: no such file; `dvc repro` makes it")
    told = json.loads(path.read_text())
    if told["recommended"] is None:
        raise InputError(f"{path}: nothing is recommended; reports/report.md says why")
    names = ("throughput", "rates", "data_parallel")
    tables = [pd.read_csv(files.REPORTS / "tables" / f"{name}.csv") for name in names]
    return told["recommended"], Tables(*tables)


@command
def main() -> None:
    """Print the setting."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--for", dest="loop", choices=LOOPS, required=True)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--memory-gb", type=float)
    asked = parser.parse_args()
    best, tables = read_report()
    params = load_params(files.PARAMS)
    print(code(asked.loop, setting(params, best, tables, asked.devices, asked.memory_gb)))


if __name__ == "__main__":
    main()
