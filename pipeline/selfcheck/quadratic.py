"""The noisy quadratic model: training with a known answer (Zhang et al. 2019, arXiv:1907.04164).

Loss 1/2 sum h_i x_i^2, x_i(0) ~ N(0, 1); the gradient of one example has covariance diag(h). Under
SGD the second moments s_i of x_i follow s(t) = s* + (1 - a h)^(2t) (s(0) - s*), where
s* = a^2 (h / B) / (1 - (1 - a h)^2) (their equations 4 to 6).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MOST_STEPS = 1 << 26


@dataclass(frozen=True)
class Quadratic:
    """A noisy quadratic with these curvatures, and the loss that counts as trained."""

    curvatures: Floats
    target: float

    def expected_loss(self, batch_size: float, rate: float, steps: Floats) -> Floats:
        """The expected loss after each number of steps."""
        h = self.curvatures
        shrink = 1 - rate * h
        floor = rate**2 * h / batch_size / (1 - shrink**2)
        log_decay = 2 * np.log(np.maximum(np.abs(shrink), 1e-300))
        moments = floor + np.exp(np.asarray(steps)[:, None] * log_decay) * (1 - floor)
        return np.asarray(0.5 * moments @ h)

    def steps_to_target(self, batch_size: float, rate: float, most: int = MOST_STEPS) -> float:
        """The first step whose expected loss is at most the target, by bisection; inf if none of
        ``most``."""
        if not 0 < rate * self.curvatures.max() < 2:
            return np.inf

        def arrived(steps: int) -> bool:
            return bool(self.expected_loss(batch_size, rate, np.array([steps]))[0] <= self.target)

        if not arrived(most):
            return np.inf
        low, high = 0, most
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if arrived(middle) else (middle, high)
        return float(high)

    def best(self, batch_size: float, rates: Floats) -> tuple[float, float]:
        """The fewest steps over the rates, and the largest rate that takes them."""
        fewest, best = np.inf, np.nan
        for rate in sorted(rates, reverse=True):
            most = MOST_STEPS if np.isinf(fewest) else int(fewest) - 1
            steps = self.steps_to_target(batch_size, rate, most)
            if steps < fewest:
                fewest, best = steps, float(rate)
        return fewest, best

    def simulate(
        self, batch_size: int, rates: Floats, evaluations: list[int], replicas: int, seed: int
    ) -> Floats:
        """Losses (rates, evaluations) of SGD with normal gradient noise, averaged over replicas.

        All rates see the same noise and start from the same weights. From one evaluation to the
        next, k steps on, x is normal around (1 - a h)^k x with the variance
        a^2 (h / B) (1 - (1 - a h)^(2k)) / (1 - (1 - a h)^2): no step in between is taken.
        """
        rng = np.random.default_rng([seed, batch_size])
        h = self.curvatures
        a = rates[:, None, None]
        shrink = 1 - a * h
        x = np.repeat(rng.standard_normal((1, replicas, len(h))), len(rates), axis=0)
        losses = np.empty((len(rates), len(evaluations)))
        for place, step in enumerate(evaluations):
            count = step - (evaluations[place - 1] if place else 0)
            decay = shrink**count
            spread = a * np.sqrt(h / batch_size * (1 - decay**2) / (1 - shrink**2))
            x = decay * x + spread * rng.standard_normal((replicas, len(h)))
            losses[:, place] = 0.5 * (h * x**2).sum(2).mean(1)
        return losses


def isotropic_losses(batch_size: float, noise: float, evaluations: Floats) -> Floats:
    """Expected losses of one direction of curvature 1 under the best rate of every step.

    1 / s(t + 1) = 1 / s(t) + B / noise, so that B x steps is the same for every batch size.
    """
    return np.asarray(0.5 / (1 + evaluations * batch_size / noise))
