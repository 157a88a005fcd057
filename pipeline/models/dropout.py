"""Dropout whose mask is a function of a key, not of a global random state.

A key comes from (cell seed, step, layer), so that a cell sees the same masks wherever and
beside whichever other cells it is trained.
"""

import torch
from torch import Tensor, nn

# splitmix64's constants (Steele, Lea & Flood 2014), as signed 64-bit integers
GOLDEN = 0x9E3779B97F4A7C15 - 2**64
MIX_1 = 0xBF58476D1CE4E5B9 - 2**64
MIX_2 = 0x94D049BB133111EB - 2**64
RESOLUTION = 1 << 24


def mix(bits: Tensor) -> Tensor:
    """splitmix64's finalizer, elementwise on int64.

    Integer products wrap around; the shifts are masked because they are arithmetic.
    """
    bits = (bits ^ ((bits >> 30) & (2**34 - 1))) * MIX_1
    bits = (bits ^ ((bits >> 27) & (2**37 - 1))) * MIX_2
    return bits ^ ((bits >> 31) & (2**33 - 1))


def step_key(base: Tensor, step: Tensor) -> Tensor:
    """A layer's key at a step, from the layer's base (both int64).

    Mixed, because neighbouring elements of one mask also lie GOLDEN apart: unmixed, each step
    would shift the last one's mask by one element.
    """
    return mix(base + step * GOLDEN)


def uniform(key: Tensor, count: int) -> Tensor:
    """``count`` numbers in [0, 1) with 24 random bits each, from an int64 scalar key."""
    bits = mix((torch.arange(count, device=key.device) + 1) * GOLDEN + key)
    return (bits & (RESOLUTION - 1)).float() / RESOLUTION


class Dropout(nn.Module):
    """Zero a share ``p`` of the inputs and scale up the rest; whoever trains it sets ``key``."""

    key: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.register_buffer("key", torch.zeros((), dtype=torch.int64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mask x, of any shape, in training mode; return it as it is otherwise."""
        if not self.training:
            return x
        kept = uniform(self.key, x.numel()).view(x.shape) >= self.p
        return x * kept / (1 - self.p)
