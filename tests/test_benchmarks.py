"""The benchmarks run, on sizes too small to conclude from."""

import contextlib
import io
import runpy
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import harness, models, searches
from makers.processes import fresh
from makers.project import ROOT
from pipeline.params.network import Model
from pipeline.selfcheck import protocol

pytestmark = pytest.mark.slow
TINY = {"tiny cnn": (Model("cnn", [4], norm="batch"), (1, 8, 8), 64, (8,), 2, 4)}


def printed(name: str, *arguments: str) -> str:
    """What a benchmark prints of two rates and one small network."""
    harness.RATES = (0.01, 0.1)  # type: ignore[assignment]
    models.NETWORKS = TINY  # type: ignore[assignment]
    sys.argv[1:] = arguments
    with contextlib.redirect_stdout(io.StringIO()) as out:
        if name == "models":
            models.main()
        else:
            runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("grid", ["--sizes", "128", "--repeats", "1"], "against DataLoader"),
        ("models", ["--skip", "compiled", "--repeats", "1"], "auto / best"),
        ("smooth", ["--seeds", "2", "--steps", "40"], "mean within 1.3"),
    ],
)
def test_it_prints_a_table(name: str, arguments: list[str], words: str) -> None:
    assert words in fresh(printed, name, *arguments)


def falling(losses: dict[searches.Config, float], epochs: int = 9) -> searches.Curves:
    """Curves evaluated at every epoch that fall to these losses at the end; 10 steps an epoch."""
    grid = np.arange(1.0, epochs + 1)
    return searches.Curves(
        dict.fromkeys(losses, grid),
        {config: end * epochs / grid for config, end in losses.items()},
        {size: 10.0 for size, _ in losses},
    )


class TestSearches:
    def test_what_they_choose_and_train(self) -> None:
        curves = falling({(8, float(rate)): rate / 10 for rate in range(1, 10)})
        assert searches.plain_grid(curves) == ((8, 1.0), 9 * 90)
        assert searches.top_after_one_epoch(curves) == ((8, 1.0), 9 * 10 + 5 * 80)

    def test_optuna_stops_most_trainings_early(self) -> None:
        pytest.importorskip("optuna", reason="the searches extra is not installed")
        curves = falling({(8, float(rate)): rate / 10 for rate in range(1, 10)})
        chosen, steps = searches.successive_halving(curves)
        assert chosen == (8, 1.0)
        assert 9 * 10 < steps < 9 * 90 * 0.6

    def test_a_screening_is_replayed_whole_and_raced(self) -> None:
        seeds = range(3)
        sizes = [protocol.screened(size, seeds) for size in (4, 128)]
        chosen, whole, raced = searches.own_screening(protocol.together(*sizes))
        assert chosen[0] == 128
        assert raced < 0.7 * whole

    def test_a_training_that_diverged_is_not_chosen(self) -> None:
        curves = falling({(8, 1.0): 0.5, (8, 2.0): 0.1})
        curves.epochs[8, 2.0] = curves.epochs[8, 2.0][:2]
        curves.losses[8, 2.0] = curves.losses[8, 2.0][:2]
        assert searches.plain_grid(curves)[0] == (8, 1.0)

    def test_a_slow_start_is_lost(self) -> None:
        """What is best in the end but not after an epoch is what early stopping misses."""
        curves = falling({(8, float(rate)): 0.1 * rate for rate in range(2, 11)})
        curves.losses[8, 10.0][:] = [9, 9, 9, 9, 0, 0, 0, 0, 0]
        assert searches.plain_grid(curves)[0] == (8, 10.0)
        assert searches.top_after_one_epoch(curves)[0] == (8, 2.0)


def test_the_gpu_benchmark_says_what_is_missing() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU: the benchmark would run for minutes")
    command = [sys.executable, "-m", "benchmarks.gpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == "benchmarks.gpu: no CUDA GPU that torch can see"
