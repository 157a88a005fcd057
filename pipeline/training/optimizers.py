"""Optimizers that torch lacks, written from their papers' equations: the plain loop's own.

Of LARS and LAMB a layer is a parameter tensor; where its norm or its gradient's is zero, the trust
ratio is 1.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.params.optimizer import Optimizer

TRUST = 0.001
BETA1 = 0.9
LAMB_EPSILON = 1e-6
MUON_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
MUON_ITERATIONS = 5
MUON_TINY = 1e-7
MUON_RMS = 0.2
"""The root mean square of AdamW's steps at rate 1."""


class Lars(torch.optim.Optimizer):
    """You, Gitman & Ginsburg 2017, algorithm 1."""

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, momentum: float, weight_decay: float
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """lambda = trust |w| / (|g| + decay |w|); v = m v + rate lambda (g + decay w); w -= v."""
        for group in self.param_groups:
            for w in group["params"]:
                g, decay = w.grad, group["weight_decay"]
                local = ratio(TRUST * w.norm(), g.norm() + decay * w.norm(), g.norm())
                v = self.state[w].setdefault("v", torch.zeros_like(w))
                v.mul_(group["momentum"]).add_(group["lr"] * local * (g + decay * w))
                w.sub_(v)


class Lamb(torch.optim.Optimizer):
    """You et al. 2020, algorithm 2, with the identity for phi."""

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, beta2: float, weight_decay: float
    ) -> None:
        super().__init__(params, {"lr": lr, "beta2": beta2, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """r = m^ / (sqrt(v^) + epsilon); w -= rate |w| / |r + decay w| (r + decay w)."""
        for group in self.param_groups:
            beta2 = group["beta2"]
            for w in group["params"]:
                state = self.state[w]
                if not state:
                    state |= {"t": 0, "m": torch.zeros_like(w), "v": torch.zeros_like(w)}
                state["t"] += 1
                state["m"].mul_(BETA1).add_((1 - BETA1) * w.grad)
                state["v"].mul_(beta2).add_((1 - beta2) * w.grad**2)
                m = state["m"] / (1 - BETA1 ** state["t"])
                v = state["v"] / (1 - beta2 ** state["t"])
                u = m / (v.sqrt() + LAMB_EPSILON) + group["weight_decay"] * w
                w.sub_(group["lr"] * ratio(w.norm(), u.norm(), u.norm()) * u)


def ratio(length: Tensor, over: Tensor, moving: Tensor) -> Tensor:
    """The trust ratio, 1 where the weights or what moves them are zero."""
    return length / over if length > 0 and moving > 0 else torch.ones_like(length)


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, algorithm 2."""

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, betas: tuple[float, float],
        weight_decay: float,
    ) -> None:  # fmt: skip
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """w -= rate (sign(beta1 m + (1 - beta1) g) + decay w); m = beta2 m + (1 - beta2) g."""
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for w in group["params"]:
                if w.grad is None:
                    continue
                m = self.state[w].setdefault("m", torch.zeros_like(w))
                direction = (beta1 * m + (1 - beta1) * w.grad).sign()
                w.sub_(group["lr"] * (direction + group["weight_decay"] * w))
                m.mul_(beta2).add_((1 - beta2) * w.grad)


class ScheduleFree(torch.optim.Optimizer):
    """Defazio et al. 2024, algorithm 1, with the weights of its section 4.3: AdamW of which the
    weights that are evaluated, ``x``, are an average, and those that are trained lie between it and
    the newest, ``z``."""

    def __init__(self, params: Iterable[nn.Parameter], lr: float, optimizer: Optimizer) -> None:
        super().__init__(params, {"lr": lr})
        self.settings = optimizer
        for group in self.param_groups:
            for w in group["params"]:
                squares, weight = torch.zeros_like(w), torch.zeros(())
                x, z = w.detach().clone(), w.detach().clone()
                self.state[w] = {"t": 0, "weight": weight, "squares": squares, "x": x, "z": z}

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """z -= rate (g / sqrt(squares) + decay w); x += c (z - x); w = (1 - beta1) z + beta1 x; c:
        the share of this step's squared rate in those of all so far."""
        beta1, beta2 = self.settings.beta1, self.settings.beta2
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is None:
                    continue
                state, lr = self.state[w], group["lr"]
                state["t"] += 1
                state["weight"] += lr**2
                state["squares"].mul_(beta2).add_((1 - beta2) * w.grad**2)
                root = (state["squares"] / (1 - beta2 ** state["t"])).sqrt()
                direction = w.grad / (root + self.settings.epsilon)
                state["z"].sub_(lr * (direction + self.settings.weight_decay * w))
                c = lr**2 / float(state["weight"])
                state["x"].mul_(1 - c).add_(c * state["z"])
                w.copy_((1 - beta1) * state["z"] + beta1 * state["x"])

    def average(self, averaged: Sequence[Tensor], *_: Any) -> None:
        """Put the average where torch's AveragedModel keeps one, parameter by parameter."""
        weights = [w for group in self.param_groups for w in group["params"]]
        for mean, w in zip(averaged, weights, strict=True):
            mean.copy_(self.state[w]["x"])


class Muon(torch.optim.Optimizer):
    """Muon for the parameters in ``matrices``, AdamW for the others, as one optimizer.

    Jordan et al. 2024 (kellerjordan.github.io/posts/muon), with steps as long as AdamW's on average
    (Liu et al. 2025, equation 4), so that both share a rate. torch.optim.Muon is the same in
    bfloat16, which most CPUs compute many times slower than float32.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], matrices: Iterable[nn.Parameter],
        optimizer: Optimizer, lr: float,
    ) -> None:  # fmt: skip
        super().__init__(params, {"lr": lr})
        self.matrices, self.settings = {id(matrix) for matrix in matrices}, optimizer

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """w -= rate (decay w + direction)."""
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is None:
                    continue
                direct = self.orthogonal if id(w) in self.matrices else self.adaptive
                direction = direct(w.grad, self.state[w])
                w.mul_(1 - group["lr"] * self.settings.weight_decay)
                w.sub_(group["lr"] * direction)

    def orthogonal(self, g: Tensor, state: dict[str, Any]) -> Tensor:
        """Of Nesterov's momentum the nearest matrix with orthogonal rows or columns, lengthened."""
        momentum = self.settings.momentum
        mean = state.setdefault("mean", torch.zeros_like(g))
        mean.mul_(momentum).add_((1 - momentum) * g)
        direction = orthogonalised((1 - momentum) * g + momentum * mean)
        return MUON_RMS * math.sqrt(max(g.shape)) * direction

    def adaptive(self, g: Tensor, state: dict[str, Any]) -> Tensor:
        """AdamW's step at rate 1 (Kingma & Ba 2015, algorithm 1)."""
        chosen = self.settings
        if not state:
            state |= {"t": 0, "mean": torch.zeros_like(g), "squares": torch.zeros_like(g)}
        state["t"] += 1
        state["mean"].mul_(chosen.beta1).add_((1 - chosen.beta1) * g)
        state["squares"].mul_(chosen.beta2).add_((1 - chosen.beta2) * g**2)
        mean = state["mean"] / (1 - chosen.beta1 ** state["t"])
        squares = state["squares"] / (1 - chosen.beta2 ** state["t"])
        return mean / (squares.sqrt() + chosen.epsilon)


def orthogonalised(matrix: Tensor) -> Tensor:
    """Nearly U V' of a matrix U S V': Newton and Schulz's iteration of the fifth order, on the
    smaller side's products."""
    a, b, c = MUON_COEFFICIENTS
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if is_tall else matrix
    x = x / x.norm().clamp(min=MUON_TINY)
    for _ in range(MUON_ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if is_tall else x
