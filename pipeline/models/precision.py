"""A network that trains in fewer bits than it is evaluated with."""

import torch
from torch import Tensor, nn


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
