"""How much the gradient of a few examples differs from that of all.

In evaluation mode: with batch norm's own batch statistics an example has no gradient of its own.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor
from torch.linalg import vector_norm as norm

from pipeline.solutions.surface import Floats, Solutions, examples_at_once, slopes
from pipeline.training import seeds
from pipeline.training.dataset import Part

EXAMPLES_PER_SIZE = 2048
FEWEST_DRAWS, MOST_DRAWS = 8, 128
LARGEST_BATCH = 1024
GRADIENT_BYTES = 1 << 26
LEVEL = 0.95


@dataclass(frozen=True)
class NoiseScale:
    """tr(covariance of single gradients) / |gradient|^2, in examples; NaN where not resolved."""

    value: float
    low: float
    high: float
    examples: int


def noise_scale(squares: Floats, products: Floats) -> NoiseScale:
    """The simple noise scale with its jackknife interval (McCandlish et al. 2018, equation 2.9).

    squares: |g_i|^2 of single examples' gradients; products: g_i . mean gradient. Numerator and
    denominator are unbiased and divided last: a mean of ratios would be far off. The interval is
    normal on the logarithm, each example left out in turn. Where the estimate of |gradient|^2
    is not positive, the noise hides the gradient and there is no scale.
    """
    n = len(squares)
    mean_square, total = squares.mean(), products.sum()  # n |mean gradient|^2
    value = ratio(mean_square, total / n, n)
    left_square = (n * mean_square - squares) / (n - 1)
    left_length = (n * total - 2 * n * products + squares) / (n - 1) ** 2
    leaving = ratio(left_square, left_length, n - 1)
    if not (np.isfinite(value) and np.isfinite(leaving).all()):
        return NoiseScale(np.nan, np.nan, np.nan, n)
    logs = np.log(leaving)
    error = np.sqrt((n - 1) / n * ((logs - logs.mean()) ** 2).sum())
    half = NormalDist().inv_cdf((1 + LEVEL) / 2) * error
    low, high = value * np.exp([-half, half])
    return NoiseScale(float(value), float(low), float(high), n)


def ratio(mean_square: Floats, length_square: Floats, n: int) -> Floats:
    """Unbiased covariance trace over unbiased squared length; NaN where that is not positive."""
    trace = (mean_square - length_square) * n / (n - 1)
    signal = length_square - trace / n
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(signal > 0, trace / signal, np.nan))


def single_gradients(solution: Solutions, part: Part) -> tuple[Floats, Floats]:
    """|g_i|^2 and g_i . mean gradient of every example of a part at one solution."""
    mean = solution.gradients(part)[0]
    squares, products = [], []
    several = batches_at_once(mean, 1, part)
    for rows in torch.arange(len(part), device=part.x.device).split(several):
        gradients = batch_gradients(solution, part, rows[:, None])
        squares.append(norm(gradients, dim=1).square())
        products.append(gradients @ mean)
    return numbers(torch.cat(squares)), numbers(torch.cat(products))


def batch_gradients(solution: Solutions, part: Part, rows: Tensor) -> Tensor:
    """The gradient at one solution of each batch of rows, (batches, batch) to (batches,
    parameters)."""
    buffers = {name: tensor[0] for name, tensor in solution.buffers.items()}
    flat = solution.flat().detach().expand(len(rows), -1).requires_grad_()

    def loss(w: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return solution.loss(w, buffers, x, y)

    with torch.enable_grad():
        return slopes(solution.each(loss, flat, part.x[rows], part.y[rows]), flat)


def batches_at_once(gradient: Tensor, batch: int, part: Part) -> int:
    """How many batches' gradients are computed together: it bounds the memory."""
    return max(1, min(GRADIENT_BYTES // gradient.nbytes, examples_at_once(part) // batch))


def numbers(tensor: Tensor) -> Floats:
    """A tensor as float64 numbers."""
    return tensor.cpu().double().numpy()


@dataclass(frozen=True)
class Agreement:
    """How the gradients of random batches agree with that of all examples.

    relative_error: root mean square of |g - G| / |G|; cosine: mean of cos(g, G), and the value
    that nine of ten batches exceed, over the batches whose gradient is not zero: examples that are
    fitted to the last bit have none. NaN where G is zero, or every g.
    """

    examples: int
    draws: int
    relative_error: float
    cosine: float
    cosine_q10: float


def agreements(solution: Solutions, part: Part, base_seed: int) -> list[Agreement]:
    """Agreement of batches of 1, 2, 4 ... examples drawn from a part without replacement."""
    whole = solution.gradients(part)[0]
    sizes = 2 ** np.arange(int(np.log2(min(LARGEST_BATCH, len(part) - 1))) + 1)
    return [agreement(solution, part, int(size), whole, base_seed) for size in sizes]


def agreement(
    solution: Solutions, part: Part, size: int, whole: Tensor, base_seed: int
) -> Agreement:
    """Agreement of batches of one size; ``whole`` is the gradient of all, (parameters,)."""
    draws = int(np.clip(EXAMPLES_PER_SIZE // size, FEWEST_DRAWS, MOST_DRAWS))
    generator = torch.Generator().manual_seed(seeds.keyed("batches", base_seed, size))
    orders = [torch.randperm(len(part), generator=generator)[:size] for _ in range(draws)]
    squares, cosines = [], []
    for rows in torch.stack(orders).to(whole.device).split(batches_at_once(whole, size, part)):
        gradients = batch_gradients(solution, part, rows)
        lengths = norm(gradients, dim=1)
        moving = lengths > 0
        cosines.append(gradients[moving] @ (whole / norm(whole)) / lengths[moving])
        squares.append((norm(gradients - whole, dim=1) / norm(whole)).square())
    cosine, square = numbers(torch.cat(cosines)), numbers(torch.cat(squares))
    if norm(whole) == 0 or len(cosine) == 0:
        return Agreement(size, draws, np.nan, np.nan, np.nan)
    return Agreement(
        size, draws, float(np.sqrt(square.mean())), float(cosine.mean()),
        float(np.quantile(cosine, 0.1)),
    )  # fmt: skip
