"""Dropout whose mask is a function of a key, not of a global random state.

A key comes from (cell seed, step, layer), so that a cell sees the same masks wherever and
beside whichever other cells it is trained.
"""

import torch
from torch import Tensor, nn

# murmur3's 32-bit finalizer (Appleby 2011) and the golden ratio, as signed 32-bit integers.
# 32 bits, because torch.compile's code for 64-bit integers on a CPU writes past its buffers.
GOLDEN = 0x9E3779B9 - 2**32
MIX_1 = 0x85EBCA6B - 2**32
MIX_2 = 0xC2B2AE35 - 2**32
RESOLUTION = 1 << 24


def mix(bits: Tensor) -> Tensor:
    """murmur3's finalizer, elementwise on int32.

    Integer products wrap around; the shifts are masked because they are arithmetic.
    """
    bits = (bits ^ ((bits >> 16) & 0xFFFF)) * MIX_1
    bits = (bits ^ ((bits >> 13) & 0x7FFFF)) * MIX_2
    return bits ^ ((bits >> 16) & 0xFFFF)


def step_key(base: Tensor, step: Tensor) -> Tensor:
    """A layer's key at a step, from the layer's base: int32, both of length 2.

    Mixed, because neighbouring elements of one mask also lie GOLDEN apart: unmixed, each step
    would shift the last one's mask by one element.
    """
    return mix(base + step.to(torch.int32) * GOLDEN)


def uniform(key: Tensor, count: int) -> Tensor:
    """``count`` numbers in [0, 1) with 24 random bits each, from an int32 key of length 2."""
    places = torch.arange(1, count + 1, dtype=torch.int32, device=key.device)
    bits = mix(mix(places * GOLDEN + key[0]) ^ key[1])
    return (bits & (RESOLUTION - 1)).float() / RESOLUTION


class Dropout(nn.Module):
    """Zero a share ``p`` of the inputs and scale up the rest; whoever trains it sets ``key``."""

    key: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.register_buffer("key", torch.zeros(2, dtype=torch.int32), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mask x, of any shape, in training mode; return it as it is otherwise."""
        if not self.training:
            return x
        kept = uniform(self.key, x.numel()).view(x.shape) >= self.p
        return x * kept / (1 - self.p)
