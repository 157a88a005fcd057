"""Training in fewer bits than evaluating."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

GPU_PRODUCTS = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)  # type: ignore[attr-defined]
"""Where torch keeps how a GPU multiplies float32 matrices, and how it convolves."""


def in_full() -> None:
    """Let a GPU take all bits of float32, which torch does not ask of convolutions by itself."""
    for products in GPU_PRODUCTS:
        products.fp32_precision = "ieee"


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Inside, a GPU rounds the factors of float32 products to TF32 where that is the precision."""
    if precision == "tf32":
        for products in GPU_PRODUCTS:
            products.fp32_precision = "tf32"
    try:
        yield
    finally:
        if precision == "tf32":
            in_full()


class MixedPrecision(nn.Module):
    """A network whose matrix products and convolutions are in bfloat16 while it trains, by torch's
    autocast; weights, outputs and whatever is evaluated stay float32 (Micikevicius et al. 2018,
    section 3; Kalamkar et al. 2019). NAME: the first part of its tensors' names."""

    NAME = "network"

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """The network's outputs, in float32."""
        kind = x.device.type
        # a cache of weights in bfloat16 would outlive the gradients that are recorded with it
        with torch.autocast(kind, torch.bfloat16, enabled=self.training, cache_enabled=False):
            outputs: Tensor = self.network(x)
        return outputs.float()
