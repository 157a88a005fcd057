"""Steps without Python, against the plain ones."""

import functools
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.fx import Graph, GraphModule

from makers.data import MakeData, text_dataset
from makers.packs import MODELS, OPTIMIZERS, TRANSFORMERS, make_pack
from pipeline.lanes import rules
from pipeline.lanes.interpreter import as_written, interpreted, recorded_program
from pipeline.lanes.lanes import dense, stacked
from pipeline.lanes.recording import recorded
from pipeline.lanes.step import Trainee, make_step
from pipeline.params.augmentation import Augmentation
from pipeline.params.network import Model
from pipeline.training.dataset import Dataset, Part
from pipeline.training.pack import Pack

EVERY_MODEL = [(model, "momentum") for model in MODELS]
CASES = [*EVERY_MODEL, *(("both", name) for name in OPTIMIZERS)]
OF_MICRO_BATCHES = [*EVERY_MODEL, *(("both", name) for name in ("adam", "clipped", "muon", "lamb"))]


def assert_same_steps(pack: Pack, data: Dataset, micro: int) -> None:
    """One program takes the same three steps as the plain step, for two trainees in turn."""
    lanes, optimizer = stacked(pack, pack.cells, data), pack.settings.optimizer
    first = Trainee(lanes, rules.initial_slots(optimizer, lanes.params), {})
    make = functools.partial(
        make_step, data=data, batch_size=8, settings=pack.settings, micro=micro
    )
    table = rules.table(optimizer, lanes.rates, [1.0, 0.5, 0.2], 1)
    rows = torch.randint(len(data.train), (3, len(lanes), 8))
    program = recorded_program(first, make, rows[0], table[0])
    for plain in (first.copy(), first.copy()):
        other = first.copy()
        steps = [make(plain), program.step_of(other)]
        with torch.no_grad(), as_written():
            for k in range(3):
                assert torch.equal(
                    *(step(rows[k], table[k], torch.tensor(k + 1)) for step in steps)
                )
                for ours, theirs in zip(plain.tensors(), other.tensors(), strict=True):
                    assert torch.equal(ours, theirs)
                for name, gradient in plain.gradients.items():
                    assert torch.equal(dense(gradient), dense(other.gradients[name]))


class TestProgram:
    @pytest.mark.parametrize(("model", "optimizer"), CASES)
    def test_takes_the_plain_step_bit_for_bit(
        self, make_data: MakeData, model: str, optimizer: str
    ) -> None:
        pack, data = make_pack(model=MODELS[model], optimizer=OPTIMIZERS[optimizer]), make_data()
        assert_same_steps(pack, data, 1)

    @pytest.mark.parametrize(("model", "optimizer"), OF_MICRO_BATCHES)
    def test_of_micro_batches(self, make_data: MakeData, model: str, optimizer: str) -> None:
        """Whose gradients add up to one tensor each, where whole batches may leave two factors."""
        pack, data = make_pack(model=MODELS[model], optimizer=OPTIMIZERS[optimizer]), make_data()
        assert_same_steps(pack, data, 3)

    @pytest.mark.parametrize("name", TRANSFORMERS)
    def test_of_transformers(self, name: str) -> None:
        pack = make_pack(model=TRANSFORMERS[name], optimizer=OPTIMIZERS["muon"])
        assert_same_steps(pack, text_dataset(), 1)

    def test_of_images_that_change(self) -> None:
        pixels = torch.rand(24, 1, 6, 6, generator=torch.Generator().manual_seed(0))
        part = Part(pixels, (pixels.mean((1, 2, 3)) > 0.5).long())
        model = Model("cnn", [3], norm="batch", dropout=0.2)
        pack = make_pack(model=model, augmentation=Augmentation(crop=1, flip=True, cutout=2))
        assert_same_steps(pack, Dataset("classification", 2, part, part, part), 1)


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
