"""LARS and LAMB as torch optimizers, written from the papers' equations: the plain loop's own.

A layer is a parameter tensor; where its norm or its gradient's is zero, the trust ratio is 1.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

TRUST = 0.001
BETA1 = 0.9
LAMB_EPSILON = 1e-6


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
