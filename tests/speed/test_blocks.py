"""Step times that are known are found."""

import itertools
import multiprocessing
import os
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from pipeline.params.protocol import Throughput
from pipeline.speed import blocks

CPU = torch.device("cpu")
HOW = Throughput(blocks=15, block_seconds=0.01)


class Clock:
    """A clock that only moves when a step says so."""

    def __init__(self) -> None:
        self.now, self.computed = 0.0, 0.0

    def step(self, seconds: float, waited: float | Callable[[], float] = 0.0) -> Callable[[], None]:
        """Compute so long, and be kept waiting so long."""

        def run() -> None:
            self.computed += seconds
            self.now += seconds + (waited() if callable(waited) else waited)

        return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(blocks.time, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(blocks.time, "thread_time", lambda: clock.computed)
    return clock


def measured(steps: dict[int, Callable[[], object]], count: int = 1) -> dict[int, blocks.Timing]:
    """Timed with this number of threads, for as many blocks as HOW says."""
    return blocks.measure(steps, dict.fromkeys(steps, count), HOW, CPU, 0, lambda _: None)


def test_known_step_times_are_found(clock: Clock) -> None:
    known = {4: 0.001, 8: 0.002, 16: 0.05}
    heard: list[int] = []
    steps_of = {b: clock.step(s) for b, s in known.items()}
    found = blocks.measure(steps_of, dict.fromkeys(known, 1), HOW, CPU, 0, heard.append)
    assert sum(heard) == 3 * HOW.blocks
    for batch_size, seconds in known.items():
        timing = found[batch_size]
        assert timing.median == pytest.approx(seconds)
        assert timing.quartiles == pytest.approx((seconds, seconds))
        assert timing.count == HOW.blocks
        assert not timing.is_noisy
    assert found[4].steps_per_block == 10
    assert found[16].steps_per_block == 1


def test_waiting_for_other_work_is_not_counted(clock: Clock) -> None:
    found = measured({4: clock.step(0.001, waited=0.004)})
    assert found[4].median == pytest.approx(0.001)


def test_threads_that_were_kept_waiting_are_timed_again(clock: Clock) -> None:
    waits = itertools.cycle([0.0, 0.0, 0.0, 0.05])
    found = measured({4: clock.step(0.02, waited=lambda: next(waits))}, count=2)
    assert found[4].median == pytest.approx(0.02)
    assert found[4].threads == 2
    assert found[4].count == HOW.blocks


def test_threads_that_always_wait_cannot_be_timed(clock: Clock) -> None:
    assert measured({4: clock.step(0.02, waited=0.02)}, count=2) == {}


class Others:
    """A machine on which other work keeps so many cores busy."""

    def __init__(self, cores: float) -> None:
        self.cores = cores

    def other_cores(self) -> float:
        return self.cores


def test_the_faster_number_of_threads_is_taken(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "Watch", lambda: Others(0.1))

    def with_threads(alone: float, together: float) -> Callable[[], None]:
        fast, slow = clock.step(together), clock.step(alone)
        return lambda: fast() if torch.get_num_threads() == 2 else slow()

    steps = {4: with_threads(0.01, 0.02), 512: with_threads(0.02, 0.011)}
    assert blocks.faster_threads(steps, HOW, CPU, 2, 0) == {4: 1, 512: 2}
    waiting = {4: clock.step(0.01, waited=0.01)}
    assert blocks.faster_threads(waiting, HOW, CPU, 2, 0) == {4: 1}
    assert blocks.faster_threads(steps, HOW, CPU, 1, 0) == {4: 1, 512: 1}
    monkeypatch.setattr(blocks, "Watch", lambda: Others(1.5))
    assert blocks.faster_threads(steps, HOW, CPU, 2, 0) == {4: 1, 512: 1}


def test_a_machine_that_changes_its_pace_does_not_choose_the_threads(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trap: one number of threads timed in the slow half, the other in the fast one."""
    monkeypatch.setattr(blocks, "Watch", lambda: Others(0.1))

    def at_pace(seconds: float) -> Callable[[], None]:
        def run() -> None:
            clock.step(seconds * (3 if clock.now < 0.3 else 1))()

        return run

    one, two = at_pace(0.010), at_pace(0.0095)
    steps = {4: lambda: two() if torch.get_num_threads() == 2 else one()}
    assert blocks.faster_threads(steps, HOW, CPU, 2, 0) == {4: 1}


def test_what_is_compared_is_timed_back_to_back_in_every_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[str] = []
    functions = {key: lambda key=key: order.append(key) for key in "abcde"}
    monkeypatch.setattr(blocks, "warm_up", lambda step, device: HOW.block_seconds)
    counts = dict.fromkeys(functions, 1)
    blocks.measure(functions, counts, HOW, CPU, 0, lambda _: None, "bd")
    rounds = ["".join(order[start : start + 5]) for start in range(0, len(order), 5)]
    assert len(rounds) == HOW.blocks
    assert {each[:2] for each in rounds} == {"bd", "db"}
    assert all(sorted(each[2:]) == ["a", "c", "e"] for each in rounds)
    assert len({each[2:] for each in rounds}) > 3


def test_slow_steps_that_nothing_is_compared_with_are_timed_less_often(clock: Clock) -> None:
    known = {4: 0.001, 8: 0.5, 16: 0.5}
    heard: list[int] = []
    steps = {b: clock.step(s) for b, s in known.items()}
    alone = {"alone": [4, 8]}
    found = blocks.measure(steps, dict.fromkeys(known, 1), HOW, CPU, 0, heard.append, **alone)
    counts = {b: timing.count for b, timing in found.items()}
    assert counts == {4: HOW.blocks, 8: blocks.ENOUGH_BLOCKS, 16: HOW.blocks}
    assert found[8].median == pytest.approx(0.5)
    assert sum(heard) == 3 * HOW.blocks


def test_blocks_that_do_not_count_are_not_enough() -> None:
    nan, long = float("nan"), blocks.LONG_SECONDS
    assert blocks.is_enough([long] * blocks.ENOUGH_BLOCKS, 1)
    assert not blocks.is_enough([*[long] * (blocks.ENOUGH_BLOCKS - 1), nan, nan], 1)
    assert not blocks.is_enough([long / 100] * blocks.ENOUGH_BLOCKS, 10)


def rounds_of(seconds: list[float], rng: np.random.Generator) -> dict[int, blocks.Timing]:
    """Step functions timed in 30 rounds on a machine that is 1.8 times as slow in two of five of
    them, where single blocks differ by 5 % and one in twenty takes twice as long."""
    levels = np.where(rng.random(30) < 0.4, 1.8, 1.0)
    noise = np.exp(rng.normal(0, 0.05, (len(seconds), 30)))
    noise[rng.random(noise.shape) < 0.05] *= 2
    return {
        key: blocks.Timing(tuple(each * levels * of_key), 1)
        for key, (each, of_key) in enumerate(zip(seconds, noise, strict=True))
    }


class TestBeside:
    """The seconds of what was timed in the same rounds."""

    @pytest.mark.parametrize("count", [2, 3, 9])
    def test_intervals_of_ratios_hold_what_they_say(self, count: int) -> None:
        rng, inside = np.random.default_rng(count), []
        known = [0.001 * 1.5**place for place in range(count)]
        for _ in range(400):
            found = blocks.beside(rounds_of(known, rng))
            off = np.log(found[1].seconds / found[0].seconds / 1.5)
            error = np.hypot(found[0].log_error, found[1].log_error)
            inside.append(abs(off) <= 1.96 * error)
        assert 0.92 <= np.mean(inside) <= 0.99

    def test_what_slows_whole_rounds_is_in_neither_ratio_nor_error(self) -> None:
        """The trap: blocks of steps alone lie as far apart as the machine's moods."""
        rng, found, alone, errors = np.random.default_rng(0), [], [], []
        for _ in range(200):
            timings = rounds_of([0.001, 0.002], rng)
            compared = blocks.beside(timings)
            found.append(compared[1].seconds / compared[0].seconds)
            alone.append(timings[1].median / timings[0].median)
            low, high = np.log(timings[0].quartiles)
            errors.append(compared[0].log_error / (high - low) * np.sqrt(30))
        assert np.median(errors) < 0.2
        assert np.median(found) == pytest.approx(2, rel=0.01)
        assert np.std(np.log(found)) < 0.5 * np.std(np.log(alone))

    def test_blocks_that_do_not_count_move_nothing(self) -> None:
        """The trap: they are missing in slow rounds, in which threads wait for each other, and the
        level of a round hangs on who was timed in it."""
        levels = np.tile([1.0, 1.0, 2.0, 2.0, 2.0], 6)
        known = {4: 0.001, 1024: 0.1}
        timings = {key: blocks.Timing(tuple(each * levels), 1) for key, each in known.items()}
        gaps = np.where(levels == 2, np.nan, levels)
        timings[1024] = blocks.Timing(tuple(0.1 * gaps), 1, threads=2)
        found = blocks.beside(timings)
        assert found[1024].seconds / found[4].seconds == pytest.approx(100, rel=0.001)
        assert found[1024].log_error == pytest.approx(0, abs=0.001)
        assert timings[1024].count == 12

    def test_rounds_of_one_alone_tell_nothing_of_a_ratio(self) -> None:
        """The trap: a block that nothing stands beside leaves no distance at all."""
        rng, ratios, errors = np.random.default_rng(0), [], []
        for _ in range(300):
            blocks_of = 0.001 * np.exp(rng.normal(0, 0.05, (2, 20)))
            blocks_of[1, 8:] = np.nan
            timings = {key: blocks.Timing(tuple(blocks_of[key]), 1) for key in (0, 1)}
            found = blocks.beside(timings)
            ratios.append(np.log(found[1].seconds / found[0].seconds))
            errors.append(np.hypot(found[0].log_error, found[1].log_error))
        assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.25)

    def test_together_they_are_as_high_as_the_medians(self) -> None:
        """The trap: blocks that take twice as long now and then pull the levels up."""
        found, medians = [], []
        for seed in range(100):
            timings = rounds_of(
                [0.001 * 1.5**place for place in range(9)], np.random.default_rng(seed)
            )
            found += [each.seconds for each in blocks.beside(timings).values()]
            medians += [timing.median for timing in timings.values()]
        assert np.log(found).mean() == pytest.approx(np.log(medians).mean(), abs=0.005)

    def test_alone_it_is_the_median_of_the_blocks_with_its_error(self) -> None:
        timing = blocks.Timing((1.0, 2.0, 4.0, 8.0, 16.0), 1)
        (found,) = blocks.beside({0: timing}).values()
        assert found.seconds == pytest.approx(timing.median)
        assert found.log_error == pytest.approx(1.253 * np.log(4) / 1.349 / np.sqrt(5))
        assert blocks.beside({}) == {}


def test_a_noisy_timing_says_so() -> None:
    assert blocks.Timing((1.0, 1.0, 1.5, 1.5), 1).is_noisy
    assert not blocks.Timing((1.0, 1.0, 1.01, 1.02, 9.0), 1).is_noisy


def training_step(seconds: float) -> float:
    """The median seconds of a small network's step, beside whatever else runs."""
    model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    x, y = torch.randn(32, 64), torch.randint(10, (32,))

    def step() -> None:
        model.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()

    how = Throughput(blocks=15, block_seconds=seconds)
    counts = blocks.faster_threads({0: step}, how, CPU, 2, 0)
    return blocks.measure({0: step}, counts, how, CPU, 0, lambda _: None)[0].median


@pytest.mark.slow
def test_a_busy_loop_on_every_core_does_not_fool_it() -> None:
    """Twice the time would, and a wall clock says as much or more; tried again where the machine
    itself changes its pace meanwhile."""
    context = multiprocessing.get_context("spawn")
    for _ in range(3):
        quiet = training_step(0.02)
        loops = [context.Process(target=busy, daemon=True) for _ in range(os.cpu_count() or 1)]
        for loop in loops:
            loop.start()
        time.sleep(1)
        loaded = training_step(0.02)
        for loop in loops:
            loop.terminate()
            loop.join()
        if loaded < 1.5 * quiet:
            return
    raise AssertionError(f"{loaded} s a step beside busy loops, {quiet} s without")


def busy() -> None:
    """Work on one core until it is ended."""
    while True:
        sum(range(10_000))
