"""Steps without Python, against the plain ones."""

import functools
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.fx import Graph, GraphModule

from makers.data import MakeData
from makers.packs import MODELS, OPTIMIZERS, make_pack
from pipeline.lanes import rules
from pipeline.lanes.interpreter import as_written, interpreted, recorded_program
from pipeline.lanes.lanes import dense, stacked
from pipeline.lanes.recording import recorded
from pipeline.lanes.step import Trainee, make_step

CASES = [*((model, "momentum") for model in MODELS), *(("both", name) for name in OPTIMIZERS)]


class TestProgram:
    @pytest.mark.parametrize("micro", [1, 3])
    @pytest.mark.parametrize(("model", "optimizer"), CASES)
    def test_takes_the_plain_step_bit_for_bit(
        self, make_data: MakeData, model: str, optimizer: str, micro: int
    ) -> None:
        pack, data = make_pack(model=MODELS[model], optimizer=OPTIMIZERS[optimizer]), make_data()
        lanes = stacked(pack, pack.cells, data)
        state = rules.initial_slots(OPTIMIZERS[optimizer], lanes.params)
        plain = Trainee(lanes, state, {})
        make = functools.partial(
            make_step, data=data, batch_size=8, settings=pack.settings, micro=micro
        )
        table = rules.table(OPTIMIZERS[optimizer], lanes.rates, [1.0, 0.5, 0.2], 1)
        rows = torch.randint(len(data.train), (3, len(lanes), 8))
        program = recorded_program(plain, make, rows[0], table[0])
        other = plain.copy()
        steps = [(plain, make(plain)), (other, program.step_of(other))]
        with torch.no_grad(), as_written():
            for k in range(3):
                losses = [step(rows[k], table[k], torch.tensor(k + 1)) for _, step in steps]
                assert torch.equal(*losses)
                for ours, theirs in zip(plain.tensors(), other.tensors(), strict=True):
                    assert torch.equal(ours, theirs)
                for name, gradient in plain.gradients.items():
                    assert torch.equal(dense(gradient), dense(other.gradients[name]))


class TestInterpreted:
    def test_constants_lists_and_operations_in_place(self) -> None:
        outside = torch.arange(3.0)

        def function(x: Tensor, y: Tensor) -> list[Tensor]:
            first, second = (x * outside).split(2)
            y.add_(1)
            zeros = torch.zeros(2, dtype=torch.float64, device=x.device)
            return [first.sum(), second.mean(()), zeros + 1, torch.full((2,), torch.inf), y.clone()]

        graph = recorded(function, [torch.ones(4, 3), torch.zeros(2)])
        run = interpreted(graph)
        assert run is not graph
        x = torch.randn(4, 3)
        for value, expected in zip(run(x, torch.ones(2)), function(x, torch.ones(2)), strict=True):
            assert torch.equal(value, expected)

    def test_what_torchscript_does_not_know_runs_in_python_and_says_so(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        graph = Graph()
        node = graph.call_function(Path, (graph.placeholder("x"),))
        graph.output((node,))
        module = GraphModule({}, graph)
        assert interpreted(module) is module
        assert capsys.readouterr().err.startswith("Python runs each step, for TorchScript cannot")
