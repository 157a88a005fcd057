"""Dropout whose masks follow a key."""

import torch

from pipeline.models.dropout import Dropout, step_key, uniform


def key(number: int) -> torch.Tensor:
    return torch.tensor([number, number + 1], dtype=torch.int32)


class TestDropout:
    def test_uniform_numbers_are_uniform(self) -> None:
        numbers = uniform(key(5), 100_000)
        assert 0 <= numbers.min() <= numbers.max() < 1
        counts = torch.histc(numbers, 20, 0, 1)
        # chi-square with 19 degrees of freedom: 43.8 is its 99.9 % point
        assert ((counts - 5000) ** 2 / 5000).sum() < 43.8

    def test_neighbouring_keys_are_unrelated(self) -> None:
        numbers = torch.stack([uniform(key(k), 10_000) for k in range(4)])
        correlation = torch.corrcoef(numbers) - torch.eye(4)
        assert correlation.abs().max() < 0.05

    def test_steps_are_unrelated(self) -> None:
        keys = [step_key(key(123), torch.tensor(step)) for step in (1, 2)]
        first, second = (uniform(key, 10_000) for key in keys)
        assert not torch.isin(first[:100], second).all()  # one mask is no shift of the other
        assert torch.corrcoef(torch.stack([first, second]))[0, 1].abs() < 0.05

    def test_the_mask_follows_the_key_alone(self) -> None:
        layer = Dropout(0.5)
        layer.key.copy_(key(7))
        x = torch.ones(4, 10)
        first = layer(x)
        torch.rand(3)
        assert torch.equal(layer(x), first)
        assert set(first.unique().tolist()) == {0.0, 2.0}

    def test_evaluation_keeps_everything(self) -> None:
        x = torch.ones(4, 10)
        assert torch.equal(Dropout(0.5).eval()(x), x)
