"""What the benchmarks share: data, the loops users write, alternating runs, a printed table."""

import argparse
import json
import multiprocessing
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from pipeline.lanes.job import Job
from pipeline.lanes.plan import Plan, make_plan
from pipeline.lanes.workers import planned, spread
from pipeline.params.network import Model
from pipeline.params.protocol import Impl
from pipeline.params.schedule import Budget
from pipeline.params.settings import Cell, Settings
from pipeline.training import device, seeds
from pipeline.training.dataset import Dataset, Part
from pipeline.training.loop import torch_optimizer
from pipeline.training.losses import has_diverged, loss_and_score, mean_loss
from pipeline.training.pack import Pack

Batches = Iterator[tuple[Tensor, Tensor]]
RATES = (0.001, 0.003162, 0.01, 0.03162, 0.1, 0.3162, 1.0, 3.162, 10.0)
DIGITS_MLP = Model("mlp", [128, 64])
MNIST_MLP = Model("mlp", [256, 128])


def standardised(x: Tensor, y: Tensor, parts: tuple[int, int], outputs: int) -> Dataset:
    """A classification data set cut into train, validation and the rest."""
    x = (x.float() - x.float().mean()) / x.float().std()
    first, second = parts[0], parts[0] + parts[1]
    return Dataset(
        "classification", outputs, Part(x[:first], y[:first]),
        Part(x[first:second], y[first:second]), Part(x[second:], y[second:]),
    )  # fmt: skip


def digits() -> Dataset:
    """The embedded handwritten digits, as in the default study's sizes."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = seeds.data_order(0, 0, 0, len(bunch.target))
    x = torch.from_numpy(bunch.images)[:, None][order]
    return standardised(x, torch.from_numpy(bunch.target).long()[order], (1077, 360), 10)


def images(shape: tuple[int, ...], examples: int, outputs: int = 10) -> Dataset:
    """Random images: what they show does not matter to a clock."""
    generator = torch.Generator().manual_seed(0)
    validation = min(320, examples)
    x = torch.rand(examples + validation, *shape, generator=generator)
    y = torch.randint(outputs, (len(x),), generator=generator)
    return standardised(x, y, (examples, validation), outputs)


def mnist(path: str) -> Dataset:
    """MNIST from torchvision's folder, 48,000 training and 12,000 validation examples."""
    from torchvision.datasets import MNIST

    source = MNIST(path, train=True)
    order = seeds.data_order(0, 0, 0, 60000)
    x, y = source.data[:, None][order], source.targets[order]
    return standardised(x, y, (47000, 12000), 10)


def make_pack(
    data: Dataset,
    model: Model,
    batch_size: int,
    rates: Sequence[float],
    count: int,
    budget: Budget,
) -> Pack:
    """A pack of rates x ``count`` seeds under SGD."""
    cells = tuple(Cell("bench", batch_size, lr, s) for lr in rates for s in range(count))
    return Pack(Settings(model=model, budget=budget), batch_size, len(data.train), cells)


def indexed(pack: Pack, cell: Cell, data: Dataset) -> Callable[[], Batches]:
    """Batches by indexing tensors with a fresh order every epoch."""

    def epoch() -> Batches:
        order = torch.randperm(pack.examples, device=data.train.x.device)
        for rows in order[: pack.steps_per_epoch * pack.batch_size].split(pack.batch_size):
            yield data.train.x[rows], data.train.y[rows]

    return epoch


def loaded(pack: Pack, cell: Cell, data: Dataset) -> Callable[[], Batches]:
    """Batches from a DataLoader in the same process (workers only slow tensors down)."""
    from torch.utils.data import DataLoader, TensorDataset

    dataset = TensorDataset(data.train.x, data.train.y)
    loader = DataLoader(dataset, pack.batch_size, shuffle=True, drop_last=True)
    return lambda: iter(loader)


Source = Callable[[Pack, Cell, Dataset], Callable[[], Batches]]


def user_loop(pack: Pack, cell: Cell, data: Dataset, source: Source) -> None:
    """One training as most people write it, with the engine's evaluations, of the training part
    at the end too; no loss is read back between them."""
    device = data.train.x.device
    model = seeds.initial_model(pack.settings.model, data.shape, data.outputs, 0, cell.seed)
    model = model.to(device).train()
    optimizer = torch_optimizer(model, pack.settings.optimizer, cell.lr)
    epoch, evaluations, step = source(pack, cell, data), set(pack.evaluation_steps), 0
    while step < pack.steps:
        for x, y in epoch():
            optimizer.zero_grad()
            loss = mean_loss(model(x.to(device)), y.to(device), data.task)
            loss.backward()
            optimizer.step()
            step += 1
            if step in evaluations:
                model.eval()
                with torch.no_grad():
                    val_loss, _ = loss_and_score(model, data.val, data.task)
                model.train()
                if has_diverged(val_loss):
                    return
            if step == pack.steps:
                break
    model.eval()
    with torch.no_grad():
        loss_and_score(model, data.train, data.task)


def user_loops(pack: Pack, data: Dataset, source: Source, processes: int) -> None:
    """Every cell by ``user_loop``, the cells dealt to processes of one thread each."""
    if processes == 1:
        for cell in pack.cells:
            user_loop(pack, cell, data, source)
        return
    context = multiprocessing.get_context("fork")
    children = [
        context.Process(
            target=_in_child, args=(pack.part(range(k, len(pack.cells), processes)), data, source)
        )
        for k in range(processes)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0


def _in_child(pack: Pack, data: Dataset, source: Source) -> None:
    torch.set_num_threads(1)
    user_loops(pack, data, source, 1)


def unheard(_: int) -> None:
    """Progress that nobody listens to."""


def job(data: Dataset, engine: str, lanes_at_once: int = sys.maxsize) -> Job:
    """For so many lanes at once in this process."""
    return Job(data, Plan(engine, "", 1, lanes_at_once, 1), unheard)


def lanes(pack: Pack, data: Dataset, plan: Plan) -> None:
    """Every cell by the lane engine."""
    spread(pack, Job(data, plan, unheard))


def plan_of(pack: Pack, data: Dataset, processes: int, engine: str = "auto") -> Plan:
    """The project's own plan; a process that trains nothing itself plans in a fork."""
    impl = Impl(workers=processes, engine=engine)
    return make_plan(pack, data, impl) if processes == 1 else planned(pack, data, impl)


def alternate(
    contenders: Mapping[str, Callable[[], object]], repeats: int, device: torch.device | None = None
) -> dict[str, list[float]]:
    """Seconds of every contender, in turns; each round starts with another one."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for repeat in range(repeats):
        for name in names[repeat % len(names) :] + names[: repeat % len(names)]:
            start = time.perf_counter()
            contenders[name]()
            if device is not None and device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(seconds: Mapping[str, list[float]], slow: str, fast: str) -> str:
    """Median and range of slow / fast over the rounds."""
    ratios = [a / b for a, b in zip(seconds[slow], seconds[fast], strict=True)]
    return f"{statistics.median(ratios):.1f}x ({min(ratios):.1f} to {max(ratios):.1f})"


def show(title: str, rows: Sequence[Mapping[str, object]], out: str | None) -> None:
    """Print a Markdown table with the machine above it; ``out`` gets it as JSON too."""
    found = device.describe(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    print(f"\n{title}\n{found['processor']}, {found['cores']} cores, torch {found['torch']}, "
          f"Python {platform.python_version()}\n")  # fmt: skip
    names = list(rows[0])
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    for row in rows:
        print("| " + " | ".join(str(row[name]) for name in names) + " |")
    if out:
        content = {"title": title, "machine": found, "rows": [dict(row) for row in rows]}
        Path(out).write_text(json.dumps(content, indent=1) + "\n")


def arguments(description: str, repeats: int) -> argparse.ArgumentParser:
    """The options every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repeats", type=int, default=repeats, help="rounds, each in turns")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", help="a JSON file for the table")
    return parser


def shortened(pack: Pack, steps: int) -> Pack:
    """The same pack with a budget of about ``steps`` steps."""
    budget = Budget(max(1, steps // pack.steps_per_epoch), min(steps, 300), 40)
    return replace(pack, settings=replace(pack.settings, budget=budget))
