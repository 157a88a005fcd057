"""The noisy quadratic model, and the analysis run on it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from makers.project import ROOT
from pipeline.selfcheck.quadratic import Quadratic, isotropic_losses

MODEL = Quadratic(1 / np.arange(1, 11.0), 0.05)


def test_the_closed_form_is_the_recursion() -> None:
    h, moments, rate, batch_size = MODEL.curvatures, np.ones(10), 0.3, 4
    for step in range(1, 30):
        moments = (1 - rate * h) ** 2 * moments + rate**2 * h / batch_size
        expected = MODEL.expected_loss(batch_size, rate, np.array([step]))[0]
        assert expected == pytest.approx(0.5 * (h * moments).sum())


def test_the_simulation_has_the_expected_loss() -> None:
    rates, steps = np.array([0.1, 0.5]), [1, 10, 50]
    found = MODEL.simulate(4, rates, steps, 20_000, 0)
    for lr, losses in zip(rates, found, strict=True):
        assert losses == pytest.approx(MODEL.expected_loss(4, lr, np.array(steps)), rel=0.03)


def test_the_first_step_at_the_target_is_found() -> None:
    steps = int(MODEL.steps_to_target(8, 0.2))
    losses = MODEL.expected_loss(8, 0.2, np.array([steps - 1, steps]))
    assert losses[0] > MODEL.target >= losses[1]


def test_a_rate_beyond_the_curvature_or_a_floor_above_the_target_never_arrives() -> None:
    assert MODEL.steps_to_target(8, 2.0) == np.inf
    assert MODEL.steps_to_target(1, 1.9) == np.inf


def test_equal_curvatures_keep_the_product() -> None:
    steps = np.array([1000.0])
    assert isotropic_losses(4, 50, steps) == pytest.approx(isotropic_losses(8, 50, steps / 2))


@pytest.mark.slow
def test_the_selfcheck_passes(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.selfcheck", "--studies", "4", "--picture", str(picture)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("passed") == 4
    assert picture.stat().st_size > 10_000
