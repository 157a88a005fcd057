"""A range test trains with rates that grow, and ends when it is hopeless."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from makers.data import MakeData
from makers.networks import wide
from pipeline.finder import range_tests
from pipeline.finder.range_tests import HOPELESS, STEPS, TESTS, smoothed_losses
from pipeline.params.optimizer import Optimizer
from pipeline.params.settings import Settings
from pipeline.training import seeds
from pipeline.training.dataset import Part
from pipeline.training.losses import mean_loss


def test_the_libraries_rates() -> None:
    for test in TESTS:
        assert len(test.rates) == STEPS
        assert test.rates[[0, -1]] == pytest.approx([test.lowest, test.highest])
        ratios = test.rates[1:] / test.rates[:-1]
        assert ratios == pytest.approx(ratios[0])


def test_it_starts_at_the_initial_loss(make_data: MakeData) -> None:
    data, settings = make_data(examples=64), wide(8)
    first = smoothed_losses(settings, data, 16, 3, np.array([0.1]))
    model = seeds.initial_model(settings.model, data.shape, data.outputs, settings.seed, 3)
    rows = seeds.data_order(settings.seed, 3, 0, 64)[:16]
    known = mean_loss(model(data.train.x[rows]), data.train.y[rows], data.task)
    assert first == pytest.approx([float(known.detach())])


def test_rates_of_nearly_nothing_change_nothing(make_data: MakeData) -> None:
    data = make_data(examples=64)
    losses = smoothed_losses(wide(8), data, 64, 0, np.full(20, 1e-12))
    assert losses == pytest.approx([losses[0]] * 20, rel=1e-4)


def test_it_falls_and_then_ends_hopeless(make_data: MakeData) -> None:
    data = make_data(examples=256)
    losses = smoothed_losses(wide(8), data, 32, 0, np.geomspace(1e-4, 1e4, STEPS))
    assert min(losses) < 0.95 * losses[0]
    assert len(losses) < STEPS
    assert not losses[-1] <= HOPELESS * min(losses)
    assert max(losses[:-1]) <= HOPELESS * min(losses[:-1])


def test_it_can_be_run_again(make_data: MakeData) -> None:
    data, rates = make_data(examples=64), TESTS[1].rates
    state = torch.random.get_rng_state()
    one, other = (smoothed_losses(wide(8), data, 16, 0, rates) for _ in range(2))
    assert one == other
    assert one != smoothed_losses(wide(8), data, 16, 1, rates)
    assert torch.equal(state, torch.random.get_rng_state())


def test_beta2_moves_with_the_batch_size(make_data: MakeData) -> None:
    data, rates = make_data(examples=256), np.full(20, 0.01)
    moving = replace(wide(8), optimizer=Optimizer("adam", beta2=0.9, beta2_batch_size=4))
    fixed = replace(wide(8), optimizer=moving.optimizer.at(32))
    assert smoothed_losses(moving, data, 32, 0, rates) == smoothed_losses(fixed, data, 32, 0, rates)


def test_dropout_draws_anew_at_every_step(make_data: MakeData) -> None:
    """All examples alike and a rate of nearly nothing: only the masks change."""
    settings = replace(wide(8), model=replace(wide(8).model, dropout=0.5))
    data = make_data(examples=64)
    x, y = data.train.x, data.train.y
    alike = replace(data, train=Part(x[:1].expand_as(x), y[:1].expand_as(y)))
    losses = smoothed_losses(settings, alike, 64, 0, np.full(5, 1e-12))
    assert len({round(loss, 6) for loss in losses}) == 5


def test_batches_are_whole_and_go_on(make_data: MakeData) -> None:
    batches = range_tests.endless_batches(Settings(), 0, make_data(examples=50), 16)
    rows = [next(batches) for _ in range(7)]
    assert {len(batch) for batch in rows} == {16}
    assert len(set(torch.cat(rows[:3]).tolist())) == 48
