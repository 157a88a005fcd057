"""Branches of larger batches from moments of one training: how large may the batch be by then?

Merrill et al. 2025, section 3: from the weights at a moment of a training at batch size B, branches
of k x B see the same examples; the batch is too large where they get less far. Every branch's
optimizer starts anew, for the weights alone are kept.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.executors.processes import Job, OnDone, dealt
from pipeline.lanes import rules, trainings
from pipeline.lanes.interpreter import Program, as_written, recorded_program
from pipeline.lanes.lanes import Lanes, padded, piece_count, predictor, stacked
from pipeline.lanes.plan import make_plan
from pipeline.lanes.step import Trainee, make_step
from pipeline.params.load import Params
from pipeline.params.settings import Cell
from pipeline.training import seeds
from pipeline.training.dataset import Dataset, Part
from pipeline.training.device import on_one_thread
from pipeline.training.learning_rate import factor_at
from pipeline.training.losses import losses_and_scores
from pipeline.training.pack import Pack

FACTORS = tuple(2**power for power in range(7))
"""How many times as large as the trunk's the batches of the branches are."""
POWERS = (0.0, 0.5, 1.0)
"""Of that factor, by which a branch's rate is multiplied; which one is best is not known."""
MOST_STEPS = 256
FEWEST_STEPS = 4
EXAMPLES, TOKENS = 2048, 16384
"""Of the training part, on which losses are compared; of a text no more than these tokens."""
COLUMNS = (
    "variant", "batch_size", "factor", "step", "examples", "seed", "lr",
    "loss_before", "loss_after",
)  # fmt: skip


@dataclass(frozen=True)
class Trunk:
    """A pack's weights at moments of its trainings, a row of ``table`` each: step and cell.

    weights: parameters and buffers by name, (rows, ...).
    """

    pack: Pack
    table: pd.DataFrame
    weights: dict[str, npt.NDArray[np.generic]]

    @property
    def branch_steps(self) -> int:
        """The steps of a branch of the trunk's own batch size: a power of two, within an epoch, and
        such that all branches together see no more examples than the trunk's trainings did."""
        trained = len(self.pack.cells) * self.pack.steps
        share = trained // (len(self.table) * len(FACTORS) * len(POWERS))
        most = min(MOST_STEPS, self.pack.steps_per_epoch, share)
        return int(2 ** np.floor(np.log2(max(1, most))))

    def rate(self, row: int) -> float:
        """The rate at a row's moment."""
        step, cell = self.table[["step", "cell"]].iloc[row]
        return self.pack.cells[cell].lr * factor_at(self.pack, step)


def measure(trunk: Trunk, data: Dataset, params: Params) -> pd.DataFrame:
    """One row for each branch, COLUMNS: the training loss before and after as many examples as
    every other branch sees. None for a network that cannot train as lanes, of an epoch of fewer
    than FEWEST_STEPS steps, beside trainings as short, or of batch sizes that the optimizer's rule
    does not reach."""
    factors = [
        factor
        for factor in FACTORS
        if trunk.branch_steps // factor >= FEWEST_STEPS and reaches(trunk, factor, params)
    ]

    def job_of(share: Sequence[int]) -> Job:
        return on_one_thread(functools.partial(of_factors, trunk, data, params, share))

    if data.train.x.device.type == "cpu":
        tables = dealt(factors, job_of, ignored)
    else:
        tables = of_factors(trunk, data, params, factors, ignored)
    return pd.concat(tables, ignore_index=True) if tables else none()


def reaches(trunk: Trunk, factor: int, params: Params) -> bool:
    """Whether the optimizer has values for a batch so large."""
    settings = params.settings(trunk.pack.cells[0].variant)
    try:
        settings.at(factor * trunk.pack.batch_size)
    except InputError:
        return False
    return True


def of_factors(
    trunk: Trunk, data: Dataset, params: Params, factors: Sequence[int], _: OnDone
) -> list[pd.DataFrame]:
    """The branches of several batch sizes."""
    return [of_factor(trunk, data, params, factor) for factor in factors]


def none() -> pd.DataFrame:
    """The table of no branches."""
    return pd.DataFrame(columns=list(COLUMNS))


def ignored(_: int) -> None:
    """Progress that is too quick to tell of."""


def of_factor(trunk: Trunk, data: Dataset, params: Params, factor: int) -> pd.DataFrame:
    """The branches of one batch size."""
    first, size = trunk.pack.cells[0], factor * trunk.pack.batch_size
    powers = POWERS if factor > 1 else POWERS[:1]
    rows = [row for row in range(len(trunk.table)) for _ in powers]
    rates = [trunk.rate(row) * factor**power for row in range(len(trunk.table)) for power in powers]
    seeds_of_rows = [trunk.pack.cells[cell].seed for cell in trunk.table["cell"]]
    cells = [
        Cell(first.variant, size, rate, seeds_of_rows[row], "branch")
        for row, rate in zip(rows, rates, strict=True)
    ]
    pack = trainings.make_pack(params, first.variant, size, cells, data)
    plan = make_plan(pack, data, replace(params.impl, engine="traced"))  # whatever trains the rest
    if plan.engine == "loop" or not cells:
        return none()
    count = piece_count(len(cells), plan.lanes_at_once, plan.fewest)
    programs: dict[int, Program] = {}
    losses = []
    for piece in np.array_split(np.arange(len(cells)), count):
        places = padded(piece.tolist(), plan.fewest)
        part, rows_of_part = pack.part(places), [rows[place] for place in places]
        found = losses_of(trunk, data, part, rows_of_part, plan.micro_batches, programs)
        losses.append(found[:, : len(piece)])
    before, after = np.concatenate(losses, axis=1)
    table = pd.DataFrame({"seed": [cell.seed for cell in cells], "lr": rates})
    moments = trunk.table["step"].to_numpy()[rows]
    seen = [trunk.pack.examples_seen(step) for step in moments]
    table = table.assign(step=moments, examples=seen, factor=factor, batch_size=size)
    table = table.assign(variant=first.variant, loss_before=before, loss_after=after)
    return table[list(COLUMNS)]


def losses_of(
    trunk: Trunk,
    data: Dataset,
    pack: Pack,
    rows: list[int],
    micro: int,
    programs: dict[int, Program],
) -> npt.NDArray[np.float64]:
    """The training losses of branches before and after, (2, branches); rows: of the trunk;
    programs: by the number of lanes, which pieces of a batch size share."""
    lanes = lanes_from(trunk, data, pack, rows)
    settings, steps = pack.settings, trunk.branch_steps * trunk.pack.batch_size
    batches = orders(trunk, data, lanes, rows)[:, :steps].unflatten(1, (-1, pack.batch_size))
    batches = batches.transpose(0, 1).contiguous()
    table = rules.table(settings.optimizer, lanes.rates, [1.0] * len(batches), 1)
    trainee = Trainee(lanes, rules.initial_slots(settings.optimizer, lanes.params), {})
    make = functools.partial(
        make_step, data=data, batch_size=pack.batch_size, settings=settings, micro=micro
    )
    on_cpu = data.train.x.device.type == "cpu"
    with torch.no_grad(), as_written():
        before = training_losses(lanes, data)
        if on_cpu:
            if len(lanes) not in programs:
                programs[len(lanes)] = recorded_program(trainee, make, batches[0], table[0])
            step = programs[len(lanes)].step_of(trainee)
        else:
            step = make(trainee)
        numbers = torch.arange(1, len(batches) + 1, device=batches.device)
        for batch, now, number in zip(batches, table, numbers, strict=True):
            step(batch, now, number)
        # of a few steps an average that is only looked at would tell how far it lags
        average = None if settings.optimizer.ema else trainee.state.get(rules.AVERAGE)
        after = training_losses(replace(lanes, params=average) if average else lanes, data)
    return np.stack([before, after])


def lanes_from(trunk: Trunk, data: Dataset, pack: Pack, rows: list[int]) -> Lanes:
    """The pack's cells as lanes with the trunk's weights at these rows."""
    lanes, device = stacked(pack, pack.cells, data), data.train.x.device
    for name, array in trunk.weights.items():
        tensors = lanes.params if name in lanes.params else lanes.buffers
        tensors[name] = torch.from_numpy(array[rows]).to(device)
    return lanes


def orders(trunk: Trunk, data: Dataset, lanes: Lanes, rows: list[int]) -> Tensor:
    """The order of all examples of each lane, (lanes, examples): that of the epoch after its
    moment, so that all branches of one moment see the same examples."""
    settings, examples = trunk.pack.settings, len(data.train)
    found = []
    for row in rows:
        step, cell = trunk.table[["step", "cell"]].iloc[row]
        epoch = int(np.ceil(trunk.pack.epochs_seen(step)))
        found.append(seeds.places(settings, trunk.pack.cells[cell].seed, epoch, examples))
    return torch.stack(found).to(lanes.rates.device)


def training_losses(lanes: Lanes, data: Dataset) -> npt.NDArray[np.float64]:
    """The mean loss of each lane on the beginning of the training part."""
    rows = slice(min(EXAMPLES, max(1, TOKENS // data.train.predicted)))
    part = Part(data.train.x[rows], data.train.y[rows])
    loss, _ = losses_and_scores(predictor(lanes), len(lanes), part, data.task)
    return loss.numpy()
