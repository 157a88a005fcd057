"""A step of small networks without Python between its operations.

Python takes about as long to call an operation as the operation takes. TorchScript's interpreter
calls the same ones for less: no bit changes, and steps of small batches take half the time. torch
develops TorchScript no further, but has nothing else that runs operations without Python and
without a compiler; the plain step stays what it has to equal.
"""

import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import inf, nan  # noqa: F401 - what the text of a graph may name

import torch
from torch import Tensor, device  # noqa: F401
from torch.fx import GraphModule
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from pipeline.lanes.lasting import with_constants, with_views
from pipeline.lanes.recording import recorded
from pipeline.lanes.step import Step, Trainee


@dataclass(frozen=True)
class Program:
    """A step of any lanes of the same shapes.

    views: tensors of a trainee to views of them. run: (rows, now, number, *tensors, *views) to the
    losses and the leaves of the gradients, whose tree is ``gradients``; it changes the tensors as a
    step does.
    """

    views: Callable[..., tuple[Tensor, ...]]
    run: Callable[..., tuple[Tensor, ...]]
    gradients: TreeSpec

    def step_of(self, trainee: Trainee) -> Step:
        """The program as this trainee's step."""
        tensors = trainee.tensors()
        tensors += self.views(*tensors)

        def step(rows: Tensor, now: Tensor, number: Tensor) -> Tensor:
            trainee.gradients.clear()  # their factors are the last step's activations
            losses, *leaves = self.run(rows, now, number, *tensors)
            trainee.gradients.update(tree_unflatten(leaves, self.gradients))
            return losses

        return step


def recorded_program(
    trainee: Trainee, make_step: Callable[[Trainee], Step], rows: Tensor, now: Tensor
) -> Program:
    """Record a step of a copy of the trainee, for rows and a row of the update table like these."""
    twin = trainee.copy()
    step, number = make_step(twin), torch.ones((), dtype=torch.int64)

    def values(*inputs: Tensor) -> list[Tensor]:
        losses = step(*inputs[:3])
        return [losses, *tree_flatten(twin.gradients)[0]]

    with torch.no_grad():
        inputs = [rows, now, number, *twin.tensors()]
        graph, views = with_views(with_constants(recorded(values, inputs)), range(3, len(inputs)))
    gradients = tree_flatten(twin.gradients)[1]
    twin.gradients.clear()  # from Python 3.13 on TorchScript keeps hold of this call's variables
    return Program(views, interpreted(graph), gradients)


def as_written() -> AbstractContextManager[None]:
    """Inside, TorchScript runs its functions as they are, instead of rewriting them on the way."""
    return torch.jit.optimized_execution(False)  # type: ignore[attr-defined]


def interpreted(graph: GraphModule) -> Callable[..., tuple[Tensor, ...]]:
    """The graph as a function of TorchScript; the graph itself, and why on standard error, where
    TorchScript does not know one of its operations."""
    constants = list(graph.buffers())
    try:
        unit = torch.jit.CompilationUnit(as_torchscript(graph))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        print(f"Python runs each step, for TorchScript cannot: {reason}", file=sys.stderr)
        return graph
    return lambda *inputs: unit.step(*constants, *inputs)


def as_torchscript(graph: GraphModule) -> str:
    """The graph as a function ``step`` of its constants and its inputs.

    Its Python is nearly that: TorchScript finds an operation by its arguments, not by name, frees a
    value after its last use by itself, and has to be told what an empty list is a list of.
    """
    body = graph.code.split(":\n", 1)[1]
    body = re.sub(r";  [\w = ]+ = None", "", body)
    body = re.sub(r"(torch\.ops\.\w+\.\w+)\.\w+\(", r"\1(", body)
    body = body.replace("self.", "").replace("[]", "torch.jit.annotate(List[int], [])")
    inputs = [node.name for node in graph.graph.nodes if node.op == "placeholder"]
    constants = [name for name, _ in graph.named_buffers()]
    return f"def step({', '.join([*constants, *inputs])}):\n{body}"
