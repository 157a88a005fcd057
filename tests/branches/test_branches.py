"""Branches of larger batches, against a plain loop from the same weights."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch

from makers.data import MakeData, dataset
from makers.packs import make_pack
from makers.processes import fresh
from pipeline.branches import branches
from pipeline.branches.branches import Trunk
from pipeline.lanes import plan
from pipeline.lanes.lanes import Lanes
from pipeline.params.load import Params
from pipeline.params.network import Model
from pipeline.params.optimizer import Optimizer
from pipeline.params.protocol import Grid, Impl
from pipeline.params.schedule import Budget
from pipeline.training import seeds
from pipeline.training.dataset import Dataset
from pipeline.training.loop import torch_optimizer
from pipeline.training.losses import mean_loss
from pipeline.training.optimizers import ScheduleFree

MODEL = Model("mlp", [8, 5])
STEPS = (4, 20)


MOMENTUM = Optimizer("sgd", 0.9)


def params(rule: Optimizer = MOMENTUM) -> Params:
    """Those of a trunk at batch size 4."""
    return Params(model=MODEL, optimizer=rule, grid=Grid(["baseline"], [4], lr=[0.05]))


def trunk_on(data: Dataset, rule: Optimizer = MOMENTUM) -> Trunk:
    """Random weights at two moments of two seeds."""
    keys = {"optimizer": rule, "budget": Budget(100, 16, 6)}
    pack = make_pack((0.05,), (0, 1), model=MODEL, **keys)
    table = pd.DataFrame([(step, cell) for step in STEPS for cell in range(2)],
                         columns=["step", "cell"])  # fmt: skip
    models = [
        seeds.initial_model(MODEL, data.shape, data.outputs, 7, row) for row in range(len(table))
    ]
    weights = {
        name: np.stack([model.state_dict()[name].numpy() for model in models])
        for name in models[0].state_dict()
    }
    return Trunk(pack, table, weights)


def by_hand(trunk: Trunk, data: Dataset, row: int, size: int, rate: float) -> tuple[float, float]:
    """A branch in plain PyTorch: its training loss before and after."""
    rule = trunk.pack.settings.optimizer
    step, cell = trunk.table.iloc[row]
    model = seeds.initial_model(MODEL, data.shape, data.outputs, 0, 0)
    model.load_state_dict({k: torch.from_numpy(v[row]) for k, v in trunk.weights.items()})
    optimizer = torch_optimizer(model, rule, rate)
    epoch = int(np.ceil(trunk.pack.epochs_seen(step)))
    seed = trunk.pack.cells[cell].seed
    order = seeds.data_order(0, seed, epoch, len(data.train))
    examples = trunk.branch_steps * trunk.pack.batch_size
    before = mean_loss(model(data.train.x), data.train.y, data.task).item()
    for rows in order[:examples].split(size):
        optimizer.zero_grad()
        mean_loss(model(data.train.x[rows]), data.train.y[rows], data.task).backward()
        optimizer.step()
    if isinstance(optimizer, ScheduleFree):
        optimizer.average([weights.data for weights in model.parameters()])
    return before, mean_loss(model(data.train.x), data.train.y, data.task).item()


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("rule", [MOMENTUM, Optimizer("adam", ema=0.9), Optimizer("schedule_free")])
@pytest.mark.parametrize("alone", [False, True])
def test_branches_are_what_a_plain_loop_makes(
    make_data: MakeData,
    task: str,
    factor: int,
    rule: Optimizer,
    alone: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lanes_at_once: set[int] = set()
    if alone:
        monkeypatch.setattr(plan, "CACHE_BYTES", 1)
    looked_at = branches.training_losses

    def spy(lanes: Lanes, of: Dataset) -> npt.NDArray[np.float64]:
        lanes_at_once.add(len(lanes))
        return looked_at(lanes, of)

    monkeypatch.setattr(branches, "training_losses", spy)
    data = make_data(task)
    trunk = trunk_on(data, rule)
    found = branches.of_factor(trunk, data, params(rule), factor)
    powers = branches.POWERS if factor > 1 else branches.POWERS[:1]
    assert len(found) == len(trunk.table) * len(powers)
    assert (lanes_at_once == {1}) is alone
    places = [(row, power) for row in range(len(trunk.table)) for power in powers]
    for branch, (row, power) in zip(found.itertuples(), places, strict=True):
        rate = 0.05 * factor**power
        assert branch.lr == rate
        expected = by_hand(trunk, data, row, factor * trunk.pack.batch_size, rate)
        np.testing.assert_allclose((branch.loss_before, branch.loss_after), expected, rtol=1e-4)


def measured() -> pd.DataFrame:
    """All branches of a small trunk."""
    data = dataset(examples=200)
    return branches.measure(trunk_on(data), data, params())


def test_all_batch_sizes_see_as_many_examples() -> None:
    found = fresh(measured)
    steps = trunk_on(dataset(examples=200)).branch_steps
    factors = sorted(found["factor"].unique())
    assert factors == [1, 2]
    assert (found["batch_size"] == 8 * found["factor"]).all()
    assert steps // factors[-1] >= branches.FEWEST_STEPS > steps // (2 * factors[-1])


def test_a_batch_that_the_rule_does_not_reach_is_left_out(make_data: MakeData) -> None:
    trunk = trunk_on(make_data())
    ruled = replace(params(), optimizer=Optimizer("adam", noise_batch_size=1))
    assert branches.reaches(trunk, 1, ruled)
    assert not branches.reaches(trunk, 2, ruled)


def test_whatever_trains_the_rest_branches_are_lanes(make_data: MakeData) -> None:
    data = make_data()
    found = [
        branches.of_factor(trunk_on(data), data, replace(params(), impl=Impl(engine=engine)), 2)
        for engine in ("auto", "loop")
    ]
    pd.testing.assert_frame_equal(*found)
    assert len(found[0])


def test_branches_cost_no_more_than_the_trunk(make_data: MakeData) -> None:
    trunk = trunk_on(make_data())
    brief = replace(trunk.pack.settings, budget=Budget(50, 16, 6))
    short = replace(trunk.pack, settings=brief, snapshots=())
    found = replace(trunk, pack=short).branch_steps
    branched = found * len(trunk.table) * len(branches.FACTORS) * len(branches.POWERS)
    assert 0.5 < branched / (len(short.cells) * short.steps) <= 1
    assert trunk.branch_steps == trunk.pack.steps_per_epoch  # within an epoch


def test_an_epoch_of_few_steps_has_none(make_data: MakeData) -> None:
    data = make_data()
    trunk = trunk_on(data)
    large = replace(trunk, pack=replace(trunk.pack, batch_size=32, snapshots=()))
    assert large.branch_steps < branches.FEWEST_STEPS
    assert branches.measure(large, data, params()).empty


@pytest.mark.usefixtures("own_module")
def test_a_network_that_cannot_be_lanes_has_none(make_data: MakeData) -> None:
    data = make_data()
    own = params()
    model = Model("own_module:branching")
    other = Params(model=model, optimizer=own.optimizer, grid=own.grid)
    assert branches.of_factor(trunk_on(data), data, other, 2).empty
