"""General clean-up of a traced graph: what vmap leaves behind that computes nothing.

Each pass keeps every value's bits, but that ``fuse_bias`` lets a bias be added inside the product,
and ``turn_products`` another kernel multiply; what those of ``parting`` change stands there.
"""

from collections.abc import Callable
from typing import Any, TypeGuard

import torch
from torch.fx import GraphModule, Node

from pipeline.lanes.lasting import root
from pipeline.lanes.parting import part_convolutions, part_gradients, part_sums

aten = torch.ops.aten
VIEWS = {
    aten.view.default,
    aten._unsafe_view.default,
    aten.expand.default,
    aten.alias.default,
    aten.detach.default,
    aten.reshape.default,
}

FRESH = {
    aten.bmm.default, aten.baddbmm.default, aten.sub.Tensor, aten.convolution.default,
    aten.cat.default,
}  # fmt: skip
"""Operations whose result is new memory that nothing else refers to."""
IN_PLACE: dict[object, Callable[..., Any]] = {
    aten.relu.default: aten.relu_.default,
    aten.clamp_min.default: aten.clamp_min_.default,
}


def clean(module: GraphModule) -> GraphModule:
    """Apply all passes until nothing changes, and recompile."""
    passes = (
        drop_same_shape_views,
        drop_products_with_one,
        drop_double_transposes,
        drop_sums,
        turn_products,
        part_convolutions,
        part_gradients,
        part_sums,
        fuse_bias,
        reuse,
    )
    changed = True
    while changed:
        changed = False
        for each in passes:
            changed |= _apply(module, each)
    module.graph.lint()
    module.recompile()
    return module


def split_products(module: GraphModule, places: range) -> GraphModule:
    """Let the outputs at ``places`` that are batched products be pairs of factors instead.

    They are the gradients of as many first inputs; a factor may not lie in one of these, which an
    update may have changed by the time that the product is taken.
    """
    (outputs,) = (node for node in module.graph.nodes if node.op == "output")
    inputs = [node for node in module.graph.nodes if node.op == "placeholder"]
    updated, values = set(inputs[: len(places)]), list(outputs.args[0])
    for place in places:
        node = values[place]
        if node.target is not aten.bmm.default or len(node.users) > 1:
            continue
        if not updated & {root(factor) for factor in node.args}:
            values[place] = tuple(node.args)
    outputs.args = (tuple(values),)
    module.graph.eliminate_dead_code()
    module.graph.lint()
    module.recompile()
    return module


def _apply(module: GraphModule, rule: Callable[[Node], Node | None]) -> bool:
    """Replace every node for which the rule names another; True if any was."""
    changed = False
    for node in list(module.graph.nodes):
        if node.op == "call_function" and node.users:
            other = rule(node)
            if other is not None:
                node.replace_all_uses_with(other)
                module.graph.erase_node(node)
                changed = True
    return module.graph.eliminate_dead_code() or changed


def _shape(node: object) -> tuple[int, ...] | None:
    return node.meta.get("shape") if isinstance(node, Node) else None


def _calls(node: object, target: object) -> TypeGuard[Node]:
    return isinstance(node, Node) and node.target is target


def drop_same_shape_views(node: Node) -> Node | None:
    """A view or expansion to the shape that its input has already."""
    source = node.args[0] if node.args else None
    if node.target in VIEWS and isinstance(source, Node) and _shape(source) == _shape(node):
        return source
    return None


def drop_products_with_one(node: Node) -> Node | None:
    """x * 1, which vmap makes of addmm's beta."""
    if node.target is aten.mul.Scalar and node.args[1] == 1:
        source = node.args[0]
        return source if isinstance(source, Node) else None
    return None


def drop_double_transposes(node: Node) -> Node | None:
    """The transpose of a transpose over the same two dimensions."""
    inner = node.args[0] if node.args else None
    if (
        node.target is aten.transpose.int
        and _calls(inner, aten.transpose.int)
        and set(node.args[1:]) == set(inner.args[1:])
    ):
        source = inner.args[0]
        return source if isinstance(source, Node) else None
    return None


def drop_sums(node: Node) -> Node | None:
    """The gradient of a sum, ones like it spread over what was summed: ones like the latter."""
    ones = node.args[0] if node.args else None
    if node.target is not aten.expand.default or not _calls(ones, aten.ones_like.default):
        return None
    total = ones.args[0]
    if not _calls(total, aten.sum.default) or _shape(total.args[0]) != _shape(node):
        return None
    with node.graph.inserting_before(node):
        other = node.graph.call_function(aten.ones_like.default, (total.args[0],), ones.kwargs)
    other.meta = dict(node.meta)
    return other


def turn_products(node: Node) -> Node | None:
    """The transpose of a @ b, which nothing else reads, as the product of their transposes."""
    product = node.args[0] if node.args else None
    if (
        node.target is not aten.transpose.int
        or set(node.args[1:]) not in ({1, 2}, {-1, -2})
        or not _calls(product, aten.bmm.default)
        or len(product.users) > 1
    ):
        return None
    call = node.graph.call_function
    with node.graph.inserting_before(node):
        turned = [call(aten.transpose.int, (factor, 1, 2)) for factor in reversed(product.args)]
        other = call(aten.bmm.default, tuple(turned))
    other.meta = dict(node.meta)
    return other


def fuse_bias(node: Node) -> Node | None:
    """bias + a @ b as one baddbmm, where nothing else reads the product."""
    if node.target is not aten.add.Tensor or node.kwargs or len(node.args) != 2:
        return None
    for product, bias in (node.args, node.args[::-1]):
        if (
            _calls(product, aten.bmm.default)
            and isinstance(bias, Node)
            and len(product.users) == 1
            and _shape(product) == _shape(node)
            and product.meta["dtype"] == bias.meta["dtype"]
        ):
            with node.graph.inserting_before(node):
                fused = node.graph.call_function(aten.baddbmm.default, (bias, *product.args))
            fused.meta = dict(node.meta)
            return fused
    return None


def reuse(node: Node) -> Node | None:
    """A rectifier over a value that nothing else reads, in that value's own memory."""
    source = node.args[0] if node.args else None
    if not isinstance(source, Node) or source.target not in FRESH or len(source.users) > 1:
        return None
    with node.graph.inserting_before(node):
        if node.target in IN_PLACE:
            other = node.graph.call_function(IN_PLACE[node.target], node.args)
        elif node.target is aten.threshold_backward.default:
            into = aten.threshold_backward.grad_input
            other = node.graph.call_function(into, node.args, {"grad_input": source})
        else:
            return None
    other.meta = dict(node.meta)
    return other
