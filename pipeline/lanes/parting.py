"""Keep lanes apart where an operation over all of them ends with bits that hang on how many there
are: passes over a traced graph, each of which names another node for one that it replaces.

What replaces a convolution may be another kernel's, and a sum is taken in another order: the bits
are others than those of the operation over all lanes, and the same for any number of lanes.
"""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Node

from pipeline.lanes.lanes import FEW_CHANNELS

aten = torch.ops.aten
SUMS = {aten.sum.dim_IntList, aten.mean.dim}


def part_convolutions(node: Node) -> Node | None:
    """A convolution of all lanes from FEW_CHANNELS as one for each lane."""
    if node.target is not aten.convolution.default:
        return None
    arguments: Any = node.args
    x, weight, bias, *how, groups = arguments
    is_transposed = how[3]
    lanes = 1 if is_transposed else _lanes_to_part(node, weight, groups)

    def of_lane(lane: int) -> Node:
        own_bias = None if bias is None else _of_lane(bias, 0, lane, lanes)
        factors = (_of_lane(x, 1, lane, lanes), _of_lane(weight, 0, lane, lanes), own_bias)
        return _marked(node, (*factors, *how, groups // lanes), lane)

    return _together(node, of_lane, lanes)


def part_gradients(node: Node) -> Node | None:
    """The gradient by its input of a transposed convolution of all lanes to FEW_CHANNELS, itself a
    convolution from these, as one for each lane."""
    source = node.args[0] if node.args else None
    if node.target is not operator.getitem or not isinstance(source, Node):
        return None
    if source.target is not aten.convolution_backward.default:
        return None
    arguments: Any = source.args
    gradient, x, weight, _, *how, groups, _ = arguments
    is_transposed, is_by_input = how[3], node.args[1] == 0
    lanes = _lanes_to_part(source, weight, groups) if is_transposed and is_by_input else 1

    def of_lane(lane: int) -> Node:
        own = (_of_lane(tensor, 1, lane, lanes) for tensor in (gradient, x))
        factors = (*own, _of_lane(weight, 0, lane, lanes), None)
        gradients = _marked(source, (*factors, *how, groups // lanes, [True, False, False]), lane)
        return node.graph.call_function(operator.getitem, (gradients, 0))

    return _together(node, of_lane, lanes)


def _lanes_to_part(node: Node, weight: Node, groups: int) -> int:
    """How many lanes a convolution from FEW_CHANNELS on a CPU, or a transposed one to these, is of;
    1 for any other, and for one that is of a single lane already."""
    first_input = next(iter(node.graph.nodes))
    if "lane" in node.meta or first_input.meta["device"] != "cpu":
        return 1
    if weight.meta["shape"][1] not in FEW_CHANNELS:
        return 1
    lanes: int = first_input.meta["shape"][0]
    return 1 if groups % lanes else lanes


def _of_lane(tensor: Node, dimension: int, lane: int, lanes: int) -> Node:
    """What belongs to a lane of channels side by side."""
    size = tensor.meta["shape"][dimension] // lanes
    ends = (lane * size, (lane + 1) * size)
    return tensor.graph.call_function(aten.slice.Tensor, (tensor, dimension, *ends))


def _marked(node: Node, arguments: tuple[Any, ...], lane: int) -> Node:
    """The node's operation on a lane's arguments."""
    operation: Any = node.target
    own = node.graph.call_function(operation, arguments)
    own.meta["lane"] = lane
    return own


def _together(node: Node, of_lane: Callable[[int], Node], lanes: int) -> Node | None:
    """What the node gives, with the channels of lanes side by side; None where there is nothing to
    part."""
    if lanes == 1:
        return None
    with node.graph.inserting_before(node):
        parts = [of_lane(lane) for lane in range(lanes)]
        other = node.graph.call_function(aten.cat.default, (parts, 1))
    other.meta = dict(node.meta)
    return other


def part_sums(node: Node) -> Node | None:
    """A sum or mean over rows in which the columns of all lanes lie side by side, on a CPU, with
    the lanes moved apart: the order in which torch adds up hangs on how many columns there are."""
    source = node.args[0] if node.args else None
    if node.target not in SUMS or not isinstance(source, Node) or source.meta["device"] != "cpu":
        return None
    shape, strides = source.meta["shape"], source.meta["stride"]
    operation: Any = node.target
    dimensions: Any = node.args[1]
    if not shape or not dimensions:
        return None
    summed = {dimension % len(shape) for dimension in dimensions}
    wide = [place for place, size in enumerate(shape) if size > 1]
    are_rows = min(wide, key=lambda place: strides[place], default=0) not in summed
    if not are_rows or all(strides[place] <= strides[0] for place in summed & set(wide)):
        return None
    with node.graph.inserting_before(node):
        how: Any = {"memory_format": torch.contiguous_format}
        apart = node.graph.call_function(aten.clone.default, (source,), how)
        apart.meta = source.meta | {"stride": torch.empty(shape, device="meta").stride()}
        other = node.graph.call_function(operation, (apart, *node.args[1:]), node.kwargs)
    other.meta = dict(node.meta)
    return other
