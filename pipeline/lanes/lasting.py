"""What is the same in every step of a recorded graph, done once instead: values that hang on no
input, and views of tensors that stay where they are.

No value's bits change. At small batch sizes a step goes at the pace at which operations are called.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.fx import Graph, GraphModule, Node

aten = torch.ops.aten
OF_SHAPE = {aten.ones_like.default, aten.zeros_like.default, aten.full_like.default}
"""Operations that look at their input's shape and type alone."""
MOST_BYTES = 1 << 20
"""A larger value is not kept."""
UNSAFE_VIEWS = {
    aten._unsafe_view.default,
    aten.unsafe_split.Tensor,
    aten.unsafe_split_with_sizes.default,
}
"""Their results lie in their input's memory, which their schemas do not tell."""


def with_constants(module: GraphModule) -> GraphModule:
    """The module, changed so that what hangs on no input is a constant of it."""
    changed, known = changed_roots(module.graph), dict[Node, Tensor]()
    for node in module.graph.nodes:
        value = None if root(node) in changed else value_of(node, known, module)
        if value is not None and is_small(value):
            known[node] = value
    made = [node for node in known if node.op == "call_function"]
    for place, node in enumerate(made):
        if any(user not in known for user in node.users):
            name = f"kept_{place}"
            module.register_buffer(name, known[node])
            with module.graph.inserting_before(node):
                constant = module.graph.create_node("get_attr", name)
            constant.meta = dict(node.meta)
            node.replace_all_uses_with(constant, lambda user: user not in known)
    return without(module, [*known])


def is_small(value: Tensor) -> bool:
    """Whether a value is a plain tensor of no more than MOST_BYTES."""
    is_plain = value.layout == torch.strided
    return is_plain and value.untyped_storage().nbytes() <= MOST_BYTES


def value_of(node: Node, known: dict[Node, Tensor], module: GraphModule) -> Tensor | None:
    """The tensor that a node is in every call, by those that are known; None where it may be
    another one."""
    if node.op == "get_attr":
        value: Tensor = getattr(module, str(node.target))
        return value
    target = node.target
    if not isinstance(target, OpOverload) or torch.Tag.nondeterministic_seeded in target.tags:
        return None
    if target in OF_SHAPE:
        like = node.args[0]
        assert isinstance(like, Node)
        shape, stride, dtype = (like.meta[name] for name in ("shape", "stride", "dtype"))
        args = (torch.empty_strided(shape, stride, dtype=dtype), *node.args[1:])
        result = target(*args, **node.kwargs)
    elif all(source in known for source in node.all_input_nodes):
        args, kwargs = torch.fx.map_arg((node.args, node.kwargs), lambda source: known[source])
        result = target(*args, **kwargs)
    else:
        return None
    return result if isinstance(result, Tensor) else None


def with_views(module: GraphModule, places: range) -> tuple[GraphModule, GraphModule]:
    """The module with views of the inputs at ``places`` as further inputs, and the module that
    makes these of those: where a tensor is changed in place, so are its views."""
    inputs = [node for node in module.graph.nodes if node.op == "placeholder"]
    before, twins = Graph(), dict[Node, Node]()
    for node in (inputs[place] for place in places):
        twins[node] = before.placeholder(node.name)
    moved = []
    for node in module.graph.nodes:
        if is_view(node) and all(source in twins for source in node.all_input_nodes):
            twins[node] = before.node_copy(node, lambda source: twins[source])
            moved.append(node)
    outputs = [node for node in moved if any(user not in twins for user in node.users)]
    before.output(tuple(twins[node] for node in outputs))
    last = inputs[-1]
    for node in outputs:
        with module.graph.inserting_after(last):
            last = module.graph.placeholder(f"view_{node.name}")
        last.meta = dict(node.meta)
        node.replace_all_uses_with(last, lambda user: user not in twins)
    return without(module, moved), GraphModule({}, before)


def without(module: GraphModule, nodes: Sequence[Node]) -> GraphModule:
    """The module without those of the nodes that nobody uses any more, and their constants."""
    for node in reversed(nodes):
        if not node.users:
            module.graph.erase_node(node)
            if node.op == "get_attr":
                delattr(module, str(node.target))
    module.graph.lint()
    module.recompile()
    return module


def is_view(node: Node) -> bool:
    """Whether the node is one tensor, in the memory of its first argument, which it leaves as it
    is."""
    if not isinstance(node.target, OpOverload) or len(node.target._schema.returns) != 1:
        return False
    (returned,) = node.target._schema.returns
    is_one = str(returned.type) == "Tensor"
    return is_one and returned.alias_info is not None and not returned.alias_info.is_write


def root(node: Node) -> Node:
    """The node whose memory this one's value lies in."""
    while node.op == "call_function" and (
        not isinstance(node.target, OpOverload)
        or node.target in UNSAFE_VIEWS
        or any(returned.alias_info for returned in node.target._schema.returns)
    ):
        source = next(changed_by(node), node.args[0])  # what it is written into, or a view of
        assert isinstance(source, Node)
        node = source
    return node


def changed_roots(graph: Graph) -> set[Node]:
    """The nodes whose memory an operation writes to."""
    return {root(node) for each in graph.nodes for node in changed_by(each)}


def changed_by(node: Node) -> Iterator[Node]:
    """The arguments that an operation changes in place."""
    if isinstance(node.target, OpOverload):
        for place, argument in enumerate(node.target._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                given = node.args[place] if place < len(node.args) else None
                value = node.kwargs.get(argument.name, given)
                values = value if isinstance(value, list | tuple) else [value]
                yield from (each for each in values if isinstance(each, Node))
