"""What a step need not do again."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.fx import GraphModule

from pipeline.lanes.lasting import MOST_BYTES, with_constants, with_views
from pipeline.lanes.recording import recorded


def operations(graph: GraphModule) -> list[str]:
    """The names of what the graph calls, in order."""
    calls = [node.target for node in graph.graph.nodes if node.op == "call_function"]
    return [call.__name__.split(".")[0] for call in calls]


def masked(x: Tensor) -> list[Tensor]:
    mask = torch.ones_like(x).tril() * 2
    return [x * mask, mask]


def filled(x: Tensor) -> list[Tensor]:
    total = torch.zeros(2, 2)
    return [total.add_(x)]


def filled_by_a_view(x: Tensor) -> list[Tensor]:
    total = torch.zeros(2, 2)
    twice = total * 2
    total[0] = x[1]
    return [total, total + 1, twice]


def filled_by_a_reshape(x: Tensor) -> list[Tensor]:
    total = torch.zeros_like(x).T.reshape(-1)
    return [total.add_(x.flatten())]


def filled_by_a_part(x: Tensor) -> list[Tensor]:
    total = torch.zeros(4, 2)
    total.unsafe_chunk(2)[1].add_(x)
    return [total + 1]


def filled_as_an_output(x: Tensor) -> list[Tensor]:
    total = torch.zeros(2, 2)
    torch.ops.aten.threshold_backward.grad_input(x, x, 0, grad_input=total)
    return [total + 1]


def filled_with_others(x: Tensor) -> list[Tensor]:
    totals = [torch.zeros(2, 2), torch.ones(2, 2)]
    torch._foreach_add_(totals, [x, x])
    return totals


def of_new_numbers(x: Tensor) -> list[Tensor]:
    return [torch.tensor([1.0, 2.0]).add_(x[0]), torch.tensor([3.0, 4.0]) + x]


def large(x: Tensor) -> list[Tensor]:
    return [x.sum() + torch.arange(MOST_BYTES // 8 + 1)]


class TestConstants:
    @pytest.mark.parametrize(
        ("function", "left"),
        [
            (masked, ["mul"]),
            (filled, ["zeros", "add_"]),
            (filled_by_a_view, ["zeros", "mul", "select", "select", "copy_", "add"]),
            (filled_by_a_reshape, ["clone", "_unsafe_view", "view", "add_"]),
            (filled_by_a_part, ["zeros", "unsafe_split", "getitem", "getitem", "add_", "add"]),
            (filled_as_an_output, ["zeros", "threshold_backward", "add"]),
            (filled_with_others, ["zeros", "ones", "_foreach_add_"]),
            (of_new_numbers, ["lift_fresh_copy", "select", "add_", "add"]),
            (large, ["sum", "arange", "add"]),
        ],
    )
    def test_what_hangs_on_an_input_or_is_changed_is_left(
        self, function: Callable[[Tensor], list[Tensor]], left: list[str]
    ) -> None:
        graph = with_constants(recorded(function, [torch.ones(2, 2)]))
        assert operations(graph) == left
        for x in (torch.randn(2, 2), torch.randn(2, 2)):
            for value, expected in zip(graph(x), function(x), strict=True):
                assert torch.equal(value, expected)

    def test_random_numbers_are_drawn_anew(self) -> None:
        graph = with_constants(recorded(lambda x: [x + torch.rand(5)], [torch.zeros(5)]))
        assert not torch.equal(graph(torch.zeros(5))[0], graph(torch.zeros(5))[0])

    def test_what_has_the_shape_of_a_value_has_its_strides(self) -> None:
        graph = recorded(lambda x: [torch.ones_like(x.T)], [torch.zeros(2, 3)])
        assert with_constants(graph)(torch.zeros(2, 3))[0].stride() == (1, 3)


class TestViews:
    def test_of_what_stays_are_made_once(self) -> None:
        def function(x: Tensor, weight: Tensor) -> list[Tensor]:
            value = x.T @ weight.T.unsqueeze(0)[0].T
            weight.T.mul_(2)
            return [value, weight.sum()]

        weight, other = torch.randn(2, 3), torch.randn(2, 3)
        graph, views = with_views(recorded(function, [torch.zeros(2, 4), weight]), range(1, 2))
        assert operations(views) == ["permute", "unsqueeze", "select", "permute", "permute"]
        assert operations(graph) == ["permute", "mm", "mul_", "sum"]
        lasting = [weight, *views(weight)]
        with torch.no_grad():
            other.copy_(weight)
            for x in (torch.randn(2, 4), torch.randn(2, 4)):
                for value, expected in zip(graph(x, *lasting), function(x, other), strict=True):
                    assert torch.equal(value, expected)

    def test_copies_are_made_anew(self) -> None:
        weight = torch.arange(3.0)
        graph, views = with_views(recorded(lambda w: [w.clone(), w[1:]], [weight]), range(1))
        assert operations(graph) == ["clone"]
        lasting = [weight, *views(weight)]
        weight.add_(1)
        copied, seen = graph(*lasting)
        assert copied.tolist() == [1, 2, 3]
        assert seen.tolist() == [2, 3]
