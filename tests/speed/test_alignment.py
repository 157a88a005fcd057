"""A known advantage of aligned sizes is found, in spite of a machine that drifts."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from pipeline.params.protocol import Throughput
from pipeline.speed import alignment, blocks
from pipeline.speed.table import alignment as table_of

HOW = Throughput(blocks=15, block_seconds=0.01)
KINDS = alignment.sizes(1, 600)


def measured(
    monkeypatch: pytest.MonkeyPatch, advantage: float, noise: float, seed: int = 0
) -> tuple[dict[int, float], list[int]]:
    """Speed-ups by size where aligned sizes compute so many times as fast, and the rounds heard."""
    rng = np.random.default_rng(seed)
    heard: list[int] = []
    drift = iter(np.exp(np.cumsum(rng.normal(0, 0.002, 100_000))))

    def step_of(size: int) -> Callable[[], int]:
        return lambda: size

    def timed(step: Callable[[], int], *_: object) -> float:
        size = step()
        faster = advantage if size in KINDS else 1.0
        return (1e-4 + 1e-6 * size) / faster * next(drift) * np.exp(rng.normal(0, noise))

    monkeypatch.setattr(blocks, "timed", timed)
    monkeypatch.setattr(blocks, "warm_up", lambda step, _: 1e-3)
    found = alignment.measure(step_of, KINDS, HOW, torch.device("cpu"), seed, heard.append)
    table = table_of(found)
    assert table["kind"].tolist() == [KINDS[size] for size in sorted(KINDS)]
    return dict(zip(table["batch_size"], table["speed_up"], strict=True)), heard


def test_the_sizes_have_both_neighbours() -> None:
    assert {8, 16, 32, 512} <= set(KINDS)
    assert KINDS[96] == "multiples of 32"
    assert all(size > 1 and size < 600 for size in KINDS)
    assert alignment.sizes(8, 16) == {}


@pytest.mark.parametrize("advantage", [1.0, 1.1])
def test_a_known_advantage_is_found(monkeypatch: pytest.MonkeyPatch, advantage: float) -> None:
    speed_ups, heard = measured(monkeypatch, advantage, noise=0.03)
    assert np.exp(np.log(list(speed_ups.values())).mean()) == pytest.approx(advantage, rel=0.01)
    assert sum(heard) == alignment.MOST * HOW.blocks


def test_slow_steps_are_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment, "MOST_SECONDS", 1e-3)
    _, heard = measured(monkeypatch, 1.0, noise=0.2)
    assert len(heard) == alignment.FEWEST_ROUNDS + 1
    assert sum(heard) == alignment.MOST * HOW.blocks


def test_a_noisy_machine_is_asked_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet, noisy = (len(measured(monkeypatch, 1.0, noise)[1]) for noise in (0.01, 0.2))
    assert quiet == HOW.blocks + 1
    assert noisy == alignment.MOST * HOW.blocks
