"""How sharp the loss is around solutions, by four measures.

Each takes Solutions and a part and gives one number, or a few, per solution.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.solutions.surface import Floats, Solutions
from pipeline.training import seeds
from pipeline.training.dataset import Part

KRYLOV = 12
EIGENVALUES = 3
TOLERANCE = 1e-3
"""How far the first eigenvalue may lie from a true one, as a share of it."""
ROUNDING = 100
PROBES = 10
KESKAR_ITERATIONS = 10
KESKAR_EPSILONS = (1e-3, 5e-4)
SUBSPACE = 100
ADAPTIVE_RADIUS = 0.01
ADAPTIVE_STEPS = 10


@dataclass(frozen=True)
class Spectrum:
    """The largest eigenvalues of each solution's Hessian, (solutions, EIGENVALUES), descending.

    residual: a bound on the distance of the first from an eigenvalue.
    """

    eigenvalues: Floats
    residual: Floats


def spectrum(solutions: Solutions, part: Part, base_seed: int) -> Spectrum:
    """The Hessian's top eigenvalues by Lanczos' iteration, every vector kept orthogonal to all.

    Lanczos 1950; Golub & Van Loan 2013, algorithm 10.1.1, with full reorthogonalisation. Where
    a new vector is nothing but rounding, the Hessian has no further eigenvalue that the start
    sees, and the rest stays zero. It ends when the first eigenvalue of all is known to TOLERANCE;
    those after it are lower bounds then.
    """
    flat = solutions.flat()
    start = gaussian(flat, 1, "lanczos", base_seed).expand(len(solutions), -1)
    basis = [start / start.norm(dim=1, keepdim=True)]
    diagonal, below = [], []
    for _ in range(min(KRYLOV, flat.shape[1])):
        product = solutions.hessian_products(part, basis[-1])
        diagonal.append((product * basis[-1]).sum(1))
        known = torch.stack(basis)
        for _ in range(2):  # once is not enough in float32
            product = product - torch.einsum("kn,knp->np", (known * product).sum(2), known)
        length = product.norm(dim=1)
        scale = torch.stack(diagonal).abs().amax(0)
        is_new = length > ROUNDING * torch.finfo(flat.dtype).eps * scale
        below.append(length.where(is_new, 0))
        basis.append(product * (is_new / length.where(is_new, 1))[:, None])
        found = of_tridiagonal(torch.stack(diagonal, 1), torch.stack(below, 1))
        is_known = found.residual <= TOLERANCE * np.abs(found.eigenvalues[:, 0])
        if len(diagonal) >= EIGENVALUES and is_known.all():
            break
    return found


def of_tridiagonal(diagonal: Tensor, below: Tensor) -> Spectrum:
    """Ritz values of (solutions, k) diagonals; ``below`` also holds the last vector's length."""
    main, off = (tensor.cpu().double().numpy() for tensor in (diagonal, below))
    matrices = np.stack([np.diag(a) + np.diag(b, 1) + np.diag(b, -1) for a, b in
                         zip(main, off[:, :-1], strict=True)])  # fmt: skip
    values, vectors = np.linalg.eigh(matrices)
    residual = off[:, -1] * np.abs(vectors[:, -1, -1])
    return Spectrum(values[:, ::-1][:, :EIGENVALUES], residual)


def trace(solutions: Solutions, part: Part, base_seed: int) -> tuple[Floats, Floats]:
    """The Hessian's trace and the standard error of the estimate, both (solutions,).

    Hutchinson 1990: the mean of v.Hv over random signs v, the same for all solutions.
    """
    flat = solutions.flat()
    estimates = []
    for probe in range(PROBES):
        signs = gaussian(flat, 1, "hutchinson", base_seed, probe).sign().expand(len(solutions), -1)
        estimates.append((solutions.hessian_products(part, signs) * signs).sum(1))
    all_probes = torch.stack(estimates).cpu().double().numpy()
    return all_probes.mean(0), all_probes.std(0, ddof=1) / np.sqrt(PROBES)


def keskar(solutions: Solutions, part: Part, epsilon: float, base: Tensor | None = None) -> Floats:
    """Keskar et al. 2017, metric 2.1: 100 (max f - f) / (1 + f) over a box around each solution.

    |z_i| <= epsilon (|(A+ x)_i| + 1) for moves A z, with A the identity, or ``base`` (parameters,
    directions). The maximum is sought by 10 iterations of L-BFGS-B, as in the paper, so it is a
    lower bound. (solutions,)
    """
    centres = solutions.flat()
    moves = centres if base is None else torch.linalg.lstsq(base, centres.T).solution.T
    radius = (epsilon * (moves.abs() + 1)).cpu().double().numpy()
    before = solutions.losses(part).cpu().double().numpy()
    highest = np.array(
        [
            highest_loss(solutions.take(slice(place, place + 1)), part, radius[place], base)
            for place in range(len(solutions))
        ]
    )
    return np.asarray(100 * (highest - before) / (1 + before))


def highest_loss(one: Solutions, part: Part, radius: Floats, base: Tensor | None) -> float:
    """The highest loss that L-BFGS-B meets in the box |z| <= radius around one solution."""
    from scipy.optimize import fmin_l_bfgs_b  # the rest of the package needs torch and numpy alone

    centre = one.flat()
    best = -np.inf

    def descend(z: Floats) -> tuple[float, Floats]:
        nonlocal best
        move = torch.as_tensor(z, dtype=centre.dtype, device=centre.device)
        there = one.moved(centre + (move if base is None else base @ move))
        loss, gradient = there.losses_and_gradients(part)
        best = max(best, float(loss))
        slope = gradient[0] if base is None else base.T @ gradient[0]
        return -float(loss), -slope.cpu().double().numpy()

    limits = radius.tolist()  # plain floats: scipy goes through them one by one
    bounds = [(-limit, limit) for limit in limits]
    fmin_l_bfgs_b(descend, np.zeros(len(radius)), bounds=bounds, maxiter=KESKAR_ITERATIONS)
    return best


def subspace(solutions: Solutions, base_seed: int) -> Tensor:
    """Keskar's random directions, (parameters, SUBSPACE), standard normal."""
    return gaussian(solutions.flat(), SUBSPACE, "subspace", base_seed).T


def adaptive(solutions: Solutions, part: Part) -> Floats:
    """Worst-case adaptive sharpness, max L(w + d) - L(w) over |d_i| <= ADAPTIVE_RADIUS |w_i|.

    Kwon et al. 2021, equation 5, with the largest-entry norm. In u = d / (radius |w|) the box is a
    cube and nothing depends on how the weights are scaled; from its centre, ADAPTIVE_STEPS times,
    to the corner that the gradient points to (Journee et al. 2010), which climbs wherever the loss
    is convex. The best corner counts. (solutions,)
    """
    centre = solutions.flat()
    reach = ADAPTIVE_RADIUS * centre.abs()
    losses = []
    point = centre
    for _ in range(ADAPTIVE_STEPS + 1):
        loss, gradient = solutions.moved(point).losses_and_gradients(part)
        losses.append(loss.cpu().double().numpy())
        point = centre + reach * gradient.sign()
    return np.asarray(np.max(losses, axis=0) - losses[0])


def gaussian(flat: Tensor, rows: int, *key: str | int) -> Tensor:
    """Standard normal rows like the parameters ``flat`` (solutions, parameters), by a key."""
    generator = torch.Generator().manual_seed(seeds.keyed(*key))
    return torch.randn(rows, flat.shape[1], generator=generator).to(flat)
