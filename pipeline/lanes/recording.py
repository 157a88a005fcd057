"""Record what a function does to tensors as a flat graph, by doing it once.

As ``make_fx`` with real tensors. That imports torch's compiler, which takes longer than many a
training; this imports nothing.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule, Node
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakTensorKeyDictionary

aten = torch.ops.aten


def recorded(function: Callable[..., list[Tensor]], inputs: Sequence[Tensor]) -> GraphModule:
    """The operations of ``function(*inputs)``, for inputs of these shapes alone.

    Control flow is taken as it went; a tensor that is neither an input nor made from one is kept
    as it is. Each node knows its value's shape, strides and type, ``meta["shape"]`` and so on.

    Raises whatever the function raises.
    """
    recorder = Recorder(inputs)
    with recorder:
        outputs = function(*inputs)
    recorder.graph.output(tuple(recorder.node(tensor) for tensor in outputs))
    return GraphModule(recorder.constants, recorder.graph)


class Recorder(TorchDispatchMode):
    """Writes every operation on tensors into ``graph``, below autograd and torch.func."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        self.graph = Graph()
        self.constants: dict[str, Tensor] = {}
        self._nodes = WeakTensorKeyDictionary()  # a value that is no longer used can be freed
        for place, tensor in enumerate(inputs):
            self._name(tensor, self.graph.placeholder(f"input_{place}"))

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: nothing is compiled under this mode, and skipping would import the compiler."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation and write it down."""
        if func is torch.ops.prim.device.default:
            return func(*args)
        if func is aten.lift_fresh.default:  # of a new constant, which each call needs anew
            func = aten.lift_fresh_copy.default
        result = func(*args, **(kwargs or {}))
        named = tree_map_only(Tensor, self.node, (args, kwargs or {}))
        self._name_all(result, self.graph.call_function(func, *named))
        return result

    def node(self, tensor: Tensor) -> Node:
        """The node whose value the tensor is."""
        if tensor not in self._nodes:
            name = f"constant_{len(self.constants)}"
            self.constants[name] = tensor
            self._name(tensor, self.graph.create_node("get_attr", name))
        node: Node = self._nodes[tensor]
        return node

    def _name(self, tensor: Tensor, node: Node) -> None:
        self._nodes[tensor] = node
        node.meta |= {
            "shape": tuple(tensor.shape),
            "stride": tensor.stride(),
            "dtype": tensor.dtype,
            "device": tensor.device.type,
        }

    def _name_all(self, result: Any, node: Node) -> None:
        if isinstance(result, Tensor):
            self._name(result, node)
        elif isinstance(result, list | tuple):
            for place, part in enumerate(result):
                if isinstance(part, Tensor):
                    item = self.graph.call_function(operator.getitem, (node, place))
                    self._name(part, item)
