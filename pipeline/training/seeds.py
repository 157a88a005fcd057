"""Every source of randomness in a training, keyed by what it may depend on.

Initial weights depend on the seed alone, the data order on (seed, epoch) alone, so that
learning rates, batch sizes and variants are compared in pairs.
"""

import hashlib

import torch
from torch import Tensor, nn

from pipeline.models.build import build
from pipeline.models.dropout import Dropout
from pipeline.models.precision import MixedPrecision
from pipeline.params.network import Model
from pipeline.params.settings import Settings


def keyed(*key: int | str) -> int:
    """A 63-bit seed that is a fixed function of its key."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def initial_model(
    model: Model, shape: tuple[int, ...], outputs: int, base_seed: int, seed: int
) -> nn.Module:
    """The network with its initial weights, on the CPU; torch's global generator is untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(keyed("weights", base_seed, seed))
        return build(model, shape, outputs)


def data_order(base_seed: int, seed: int, epoch: int, examples: int) -> Tensor:
    """The order of all training examples in one epoch (int64, on the CPU)."""
    generator = torch.Generator().manual_seed(keyed("order", base_seed, seed, epoch))
    return torch.randperm(examples, generator=generator)


def places(settings: Settings, seed: int, epoch: int, examples: int) -> Tensor:
    """The order of an epoch; of augmented examples their places in that of all epochs (int64, on
    the CPU)."""
    order = data_order(settings.seed, seed, epoch, examples)
    return order + epoch * examples if settings.augmentation else order


def augmentation_key(base_seed: int, seed: int) -> Tensor:
    """What the changes of augmented examples are drawn with (int32, (2,))."""
    return halves(keyed("augmentation", base_seed, seed))


def halves(number: int) -> Tensor:
    """A 63-bit number as two of 32 bits (int32, (2,))."""
    return torch.tensor([half - 2**31 for half in divmod(number, 2**32)]).to(torch.int32)


def dropout_bases(model: nn.Module, base_seed: int, seed: int) -> dict[str, Tensor]:
    """One base key (int32, (2,)) for each dropout layer, by the name of its buffer."""
    bases = {}
    for name, module in model.named_modules():
        if isinstance(module, Dropout):
            own_name = name.removeprefix(f"{MixedPrecision.NAME}.")
            bases[f"{name}.key"] = halves(keyed("dropout", base_seed, seed, own_name))
    return bases
