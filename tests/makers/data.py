"""Small data sets that a small network can learn."""

from collections.abc import Callable

import torch

from pipeline.training.dataset import Dataset, Part

MakeData = Callable[..., Dataset]


def blobs(examples: int, seed: int, task: str = "classification", features: int = 6) -> Part:
    """Normal inputs; the target is a noisy linear function of them, or which of three ranges it
    falls into."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(examples, features, generator=generator)
    direction = torch.linspace(-1, 1, features)
    noise = 0.1 * torch.randn(examples, generator=generator)
    value = x @ direction + noise
    if task == "regression":
        return Part(x, ((value - value.mean()) / value.std())[:, None])
    return Part(x, (value > 0).long() + (value > 1).long())


def windows(examples: int, seed: int, context: int = 6, tokens: int = 5) -> Part:
    """Tokens that mostly follow each other in one order, and those that follow them."""
    generator = torch.Generator().manual_seed(seed)
    steps = (torch.rand(examples, context + 1, generator=generator) < 0.2).long() + 1
    chain = (steps.cumsum(1) % tokens).to(torch.uint8)
    return Part(chain[:, :-1].contiguous(), chain[:, 1:].contiguous())


def text_dataset(examples: int = 64) -> Dataset:
    """Three parts of a text of five tokens."""
    parts = (windows(n, seed) for n, seed in ((examples, 0), (32, 1), (32, 2)))
    return Dataset("language", 5, *parts)


def dataset(task: str = "classification", examples: int = 64) -> Dataset:
    """A data set on the CPU."""
    outputs = 3 if task == "classification" else 1
    parts = (blobs(n, seed, task) for n, seed in ((examples, 0), (32, 1), (32, 2)))
    return Dataset(task, outputs, *parts)
