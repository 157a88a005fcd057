"""Training in fewer bits than evaluating."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def round_products(to_tf32: bool) -> None:
    """Let a GPU round the factors of float32 products and convolutions to TF32, or take all bits,
    which torch does not ask of convolutions by itself."""
    torch.set_float32_matmul_precision("high" if to_tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = to_tf32


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Inside, a GPU rounds the factors of products to TF32 where that is the precision."""
    if precision == "tf32":
        round_products(True)
    try:
        yield
    finally:
        if precision == "tf32":
            round_products(False)


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
