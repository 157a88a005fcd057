"""Which quantity should be compared with a target? Spread, bias and cost of the candidates.

    python -m benchmarks.smooth [--seeds 12] [--mnist FOLDER] [--housing FILE]

Trainings of digits, MNIST and a table at three batch sizes are evaluated 1.5 % of the steps apart.
Each candidate sees a coarser set of these evaluations. Its target is the loosest batch size's best
less a standard error of the validation set, as in a study. Spread: the standard deviation over
seeds of log steps to target, pooled over batch sizes. Bias: the mean of log steps less that of the
same candidate on all evaluations. Two examples: by how much the target's own error of two
validation examples (or their share of the loss's error) moves log steps. Missed: trainings that
never arrive, which the other columns leave out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy import optimize
from torch.nn import functional

from benchmarks import harness
from pipeline.executors.processes import OnDone, in_processes
from pipeline.params.network import Model
from pipeline.training import seeds
from pipeline.training.dataset import Dataset, Part

Floats = npt.NDArray[np.float64]
DENSE = 1.015
FADE = 9
"""The weights of a polynomial-decay average (Shamir & Zhang 2013, section 4): with this exponent
it looks back over about a tenth of the steps."""
QUANTITIES = ("score", "loss", "averaged score")


@dataclass(frozen=True)
class Trial:
    """What is trained: a rate for each batch size, all near that batch size's best."""

    name: str
    data: Dataset
    model: Model
    rates: Mapping[int, float]
    steps: int

    @property
    def evaluations(self) -> list[int]:
        """DENSE apart, from step 1 to the end."""
        count = int(np.log(self.steps) / np.log(DENSE)) + 1
        return sorted({round(DENSE**k) for k in range(count)} | {self.steps})


def evaluated(model: torch.nn.Module, part: Part, task: str) -> tuple[float, float, float]:
    """Mean loss, score, and the standard error of the mean loss."""
    with torch.no_grad():
        outputs = model(part.x)
        if task == "classification":
            losses = functional.cross_entropy(outputs, part.y, reduction="none")
            score = float((outputs.argmax(-1) == part.y).float().mean())
        else:
            losses = (outputs - part.y).square()[:, 0]
            score = float(1 - losses.mean() / part.y.var(correction=0))
    return float(losses.mean()), score, float(losses.std() / len(part) ** 0.5)


def curves(trial: Trial, size: int, seed: int) -> pd.DataFrame:
    """One training, with every quantity at every evaluation."""
    data = trial.data
    model = seeds.initial_model(trial.model, data.shape, data.outputs, 0, seed)
    average = seeds.initial_model(trial.model, data.shape, data.outputs, 0, seed)
    optimizer = torch.optim.SGD(model.parameters(), trial.rates[size])
    wanted, rows, step, epoch = set(trial.evaluations), [], 0, 0
    while step < trial.steps:
        order = seeds.data_order(0, seed, epoch, len(data.train))
        epoch += 1
        for batch in order[: len(order) // size * size].split(size)[: trial.steps - step]:
            optimizer.zero_grad()
            harness.mean_loss(model(data.train.x[batch]), data.train.y[batch], data.task).backward()
            optimizer.step()
            step += 1
            with torch.no_grad():
                for mean, now in zip(average.parameters(), model.parameters(), strict=True):
                    mean.lerp_(now, (FADE + 1) / (step + FADE))
            if step in wanted:
                loss, score, error = evaluated(model, data.val, data.task)
                averaged = evaluated(average, data.val, data.task)[1]
                rows.append((step, score, -loss, averaged, error))
    return pd.DataFrame(rows, columns=["step", *QUANTITIES, "loss_error"])


def nearest(steps: Floats, ratio: float) -> npt.NDArray[np.int64]:
    """Places of the evaluations that lie ``ratio`` apart."""
    points = ratio ** np.arange(int(np.log(steps[-1]) / np.log(ratio)) + 1)
    return np.unique(np.abs(np.log(steps) - np.log(points)[:, None]).argmin(1))


def as_it_is(steps: Floats, values: Floats) -> Floats:
    """No smoothing: the first touch counts."""
    return values


def median_of_three(steps: Floats, values: Floats) -> Floats:
    """The running median of three evaluations."""
    return pd.Series(values).rolling(3, center=True, min_periods=1).median().to_numpy()


def windowed(factor: float) -> Callable[[Floats, Floats], Floats]:
    """The mean of the evaluations within this factor of the steps on both sides."""

    def smooth(steps: Floats, values: Floats) -> Floats:
        near = np.abs(np.log(steps) - np.log(steps)[:, None]) <= np.log(factor) * (1 + 1e-9)
        return np.asarray((near @ values) / near.sum(1))

    return smooth


def isotonic(steps: Floats, values: Floats) -> Floats:
    """The rising curve of least squared error, up to the highest mean within 1.3."""
    top = int(windowed(1.3)(steps, values).argmax()) + 1
    return np.asarray(np.r_[optimize.isotonic_regression(values[:top]).x, values[top:]])


@dataclass(frozen=True)
class Candidate:
    """A quantity, how it is smoothed, and how far apart it is evaluated."""

    quantity: str
    smoothing: str
    smooth: Callable[[Floats, Floats], Floats]
    ratio: float


CANDIDATES = tuple(
    Candidate(quantity, words, smooth, ratio)
    for quantity, words, smooth, ratios in (
        ("score", "first touch", as_it_is, (1.16, 1.05)),
        ("score", "median of 3", median_of_three, (1.16, 1.05)),
        ("score", "mean within 1.1", windowed(1.1), (1.16, 1.05)),
        ("score", "mean within 1.3", windowed(1.3), (1.16, 1.05)),
        ("score", "isotonic", isotonic, (1.16, 1.05)),
        ("loss", "first touch", as_it_is, (1.16, 1.05)),
        ("loss", "mean within 1.3", windowed(1.3), (1.16, 1.05)),
        ("averaged score", "first touch", as_it_is, (1.16, 1.05)),
    )
    for ratio in ratios
)


def crossing(steps: Floats, values: Floats, target: float) -> float:
    """The first step at which ``values`` reach ``target``, between evaluations by a straight line
    in log steps; NaN if never."""
    reached = np.flatnonzero(values >= target)
    if len(reached) == 0:
        return float("nan")
    after = reached[0]
    if after == 0:
        return float(steps[0])
    share = (target - values[after - 1]) / (values[after] - values[after - 1])
    return float(np.exp(np.interp(share, [0, 1], np.log(steps[after - 1 : after + 1]))))


Trained = Mapping[tuple[int, int], pd.DataFrame]


def log_steps(trained: Trained, candidate: Candidate, target: float) -> pd.Series:
    """Log steps to target by (batch size, seed)."""
    out = {}
    for key, table in trained.items():
        places = nearest(table["step"].to_numpy(float), candidate.ratio)
        steps = table["step"].to_numpy(float)[places]
        values = candidate.smooth(steps, table[candidate.quantity].to_numpy(float)[places])
        out[key] = np.log(crossing(steps, values, target))
    return pd.Series(out)


def target_of(trained: Trained, candidate: Candidate, examples: int) -> tuple[float, float]:
    """The target, and what two validation examples are of it."""
    bests: dict[int, list[float]] = {}
    errors = []
    for (size, _), table in trained.items():
        values = candidate.smooth(
            table["step"].to_numpy(float), table[candidate.quantity].to_numpy(float)
        )
        bests.setdefault(size, []).append(values.max())
        errors.append(table["loss_error"].iloc[int(values.argmax())])
    loosest = min(float(np.median(best)) for best in bests.values())
    if candidate.quantity == "loss":
        error = float(np.median(errors))
        return loosest - error, error / np.sqrt(examples * 0.05) * 2
    error = float(np.sqrt(abs(1 - loosest) * abs(loosest) / examples))
    return loosest - error, 2 / examples


def row(trial: Trial, trained: Trained, candidate: Candidate) -> dict[str, object]:
    """One candidate on one trial."""
    target, two = target_of(trained, candidate, len(trial.data.val))
    logs = log_steps(trained, candidate, target)
    dense = Candidate(candidate.quantity, candidate.smoothing, candidate.smooth, DENSE)
    harder = log_steps(trained, candidate, target + two) - log_steps(
        trained, candidate, target - two
    )
    within = logs - logs.groupby(level=0).transform("mean")
    found = logs.notna().sum()
    spread = np.sqrt(within.pow(2).sum() / max(1, found - logs.groupby(level=0).ngroups))
    evaluations = np.log(trial.steps) / np.log(candidate.ratio)
    return {
        "data": trial.name,
        "quantity": candidate.quantity,
        "smoothing": candidate.smoothing,
        "apart": f"{candidate.ratio - 1:.0%}",
        "spread": f"{spread:.2f}",
        "bias": f"{(logs - log_steps(trained, dense, target)).mean():+.2f}",
        "two examples": f"{harder.mean():.2f}",
        "missed": f"{len(logs) - found} of {len(logs)}",
        "evaluations": f"{evaluations:.0f}",
    }


def housing(path: str) -> Dataset:
    """The numbers of California housing, standardised: 3000 rows to train on, 600 to validate."""
    table = pd.read_csv(path).select_dtypes("number").dropna()
    order = seeds.data_order(0, 0, 0, len(table)).numpy()
    table = (table - table.mean()) / table.std()
    target = "median_house_value"
    x = torch.tensor(table.drop(columns=target).to_numpy(), dtype=torch.float32)[order]
    y = torch.tensor(table[[target]].to_numpy(), dtype=torch.float32)[order]
    return Dataset("regression", 1, Part(x[:3000], y[:3000]), Part(x[3000:3600], y[3000:3600]),
                   Part(x[3600:], y[3600:]))  # fmt: skip


def few(data: Dataset, train: int, val: int) -> Dataset:
    """The first examples of both parts."""
    return Dataset(data.task, data.outputs, Part(data.train.x[:train], data.train.y[:train]),
                   Part(data.val.x[:val], data.val.y[:val]), data.test)  # fmt: skip


def trials(mnist: str | None, table: str | None) -> list[Trial]:
    """Digits, and what there are files for."""
    net = harness.DIGITS_MLP
    chosen = [Trial("digits", harness.digits(), net, {32: 0.3162, 128: 0.5623, 512: 1.0}, 500)]
    if mnist:
        data = few(harness.mnist(mnist), 6000, 1000)
        chosen.append(Trial("MNIST", data, net, {32: 0.1778, 128: 0.3162, 512: 0.5623}, 800))
    if table:
        rates = {32: 0.1, 128: 0.1778, 512: 0.3162}
        chosen.append(Trial("housing", housing(table), Model("mlp", [64, 32]), rates, 1500))
    return chosen


def all_trained(trial: Trial, count: int, processes: int) -> Trained:
    """Every batch size with ``count`` seeds, dealt to processes of one thread each."""
    keys = [(size, seed) for size in trial.rates for seed in range(count)]

    def some(place: int, _: OnDone) -> list[pd.DataFrame]:
        torch.set_num_threads(1)
        return [curves(trial, *key) for key in keys[place::processes]]

    jobs = [lambda on_done, place=place: some(place, on_done) for place in range(processes)]
    dealt = in_processes(jobs, lambda _: None)
    return {key: dealt[n % processes][n // processes] for n, key in enumerate(keys)}


def main(argv: Sequence[str] | None = None) -> None:
    """Train, compare, print."""
    parser = harness.arguments(__doc__ or "", 1)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--steps", type=int, help="a budget in place of each trial's own")
    parser.add_argument("--mnist", help="the folder with MNIST in torchvision's form")
    parser.add_argument("--housing", help="California housing as CSV")
    options = parser.parse_args(argv)
    for path in (options.mnist, options.housing):
        assert path is None or Path(path).exists(), path
    rows = []
    for chosen in trials(options.mnist, options.housing):
        trial = replace(chosen, steps=options.steps or chosen.steps)
        trained = all_trained(trial, options.seeds, options.processes)
        rows += [row(trial, trained, candidate) for candidate in CANDIDATES]
    harness.show(f"Steps to target by {options.seeds} seeds at 3 batch sizes", rows, options.out)


if __name__ == "__main__":
    main()
