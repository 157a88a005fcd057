"""Graphs of operations, recorded by doing them once."""

import sys

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from makers.data import MakeData, dataset
from makers.packs import MODELS, make_pack
from makers.processes import fresh
from pipeline.lanes import gradients
from pipeline.lanes.gradients import Batch
from pipeline.lanes.lanes import stacked
from pipeline.lanes.plan import make_plan
from pipeline.lanes.recording import recorded
from pipeline.params.protocol import Impl
from pipeline.training.losses import targets_of


def operations(graph: GraphModule) -> list[str]:
    """What the graph calls, in order; a detached tensor is the same one here."""
    calls = [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]
    return [call.replace("detach", "alias") for call in calls]


class TestAgainstMakeFx:
    @pytest.mark.parametrize("name", MODELS)
    def test_gradients_of_every_model(self, make_data: MakeData, name: str) -> None:
        pack, data = make_pack(model=MODELS[name]), make_data()
        lanes = stacked(pack, pack.cells, data)
        rows = torch.arange(5).expand(len(lanes), 5)
        y = targets_of(data.train.y, data.outputs, data.task)[rows]
        batch = Batch(data.train.x[rows], y, torch.tensor(3))

        def values(*tensors: Tensor) -> list[Tensor]:
            by_parameter, losses, buffers = gradients.batched(lanes, data.task)(*tensors)
            return [losses, *by_parameter.values(), *buffers.values()]

        inputs = gradients.flat(lanes, batch)
        ours, theirs = recorded(values, inputs), make_fx(values)(*inputs)
        assert operations(ours) == operations(theirs)
        for value, expected in zip(ours(*inputs), theirs(*inputs), strict=True):
            assert torch.equal(value, expected)


def test_a_clean_graph_leaves_products_to_the_update(make_data: MakeData) -> None:
    pack, data = make_pack(model=MODELS["mlp"]), make_data()
    lanes = stacked(pack, pack.cells, data)
    rows = torch.arange(5).expand(len(lanes), 5)
    y = targets_of(data.train.y, data.outputs, data.task)[rows]
    batch = Batch(data.train.x[rows], y, torch.tensor(3))
    graph = gradients.trace(lanes, batch, data.task)
    values = dict(zip(lanes.params, graph(*gradients.flat(lanes, batch))[1:], strict=True))
    factored = [name for name, value in values.items() if isinstance(value, tuple)]
    assert factored == [name for name in values if name.endswith("weight")]
    assert "aten.sum.default" not in operations(graph)


class TestRecorded:
    def test_replays_with_other_values(self) -> None:
        def function(x: Tensor, y: Tensor) -> list[Tensor]:
            low, high = (x @ y).chunk(2)
            return [low.relu(), high.sum()]

        first, second = torch.ones(4, 3), -torch.ones(3, 2)
        graph = recorded(function, [first, second])
        for x in (torch.randn(4, 3), torch.zeros(4, 3)):
            for value, expected in zip(graph(x, second), function(x, second), strict=True):
                assert torch.equal(value, expected)

    def test_a_tensor_from_outside_is_a_constant(self) -> None:
        outside = torch.arange(3.0)
        graph = recorded(lambda x: [x + outside], [torch.zeros(3)])
        assert torch.equal(graph(torch.ones(3))[0], outside + 1)

    def test_a_new_constant_is_new_at_every_call(self) -> None:
        graph = recorded(lambda x: [torch.tensor([1.0, 2.0]).add_(x)], [torch.zeros(2)])
        for _ in range(2):
            assert graph(torch.ones(2))[0].tolist() == [2, 3]

    def test_operations_in_place(self) -> None:
        def function(x: Tensor) -> list[Tensor]:
            total = x.clone()
            total[1:].mul_(2)
            return [total.add_(1)]

        graph = recorded(function, [torch.zeros(3)])
        graph.graph.eliminate_dead_code()
        graph.recompile()
        x = torch.tensor([1.0, 2.0, 3.0])
        assert graph(x)[0].tolist() == [2, 5, 7]
        assert x.tolist() == [1, 2, 3]

    def test_shapes_are_known(self) -> None:
        graph = recorded(lambda x: [x.sum(0)], [torch.zeros(3, 2)])
        shapes = [node.meta["shape"] for node in graph.graph.nodes if node.op != "output"]
        assert shapes == [(3, 2), (2,)]

    def test_what_the_function_raises(self) -> None:
        model = nn.Linear(2, 1)

        def one(weights: dict[str, Tensor], x: Tensor) -> Tensor:
            value = functional_call(model, weights, (x,)).sum()
            return value if value.item() > 0 else -value

        weights = {name: p.detach().expand(3, *p.shape) for name, p in model.named_parameters()}
        both = vmap(grad(one))
        with pytest.raises(RuntimeError, match="item"):
            recorded(lambda x: list(both(weights, x).values()), [torch.ones(3, 2)])


def traced_without_compiler() -> bool:
    """Plan a pack, record its gradients, and see what that imported."""
    pack, data = make_pack(model=MODELS["both"]), dataset()
    make_plan(pack, data, Impl())
    return not {"sympy", "torch._inductor", "torch._dynamo"} & set(sys.modules)


def test_recording_imports_no_compiler() -> None:
    assert fresh(traced_without_compiler)
