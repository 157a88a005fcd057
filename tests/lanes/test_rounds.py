"""A training that is stopped and gone on with ends with the bits of one that never was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from makers.data import MakeData, text_dataset
from makers.packs import (
    MODELS,
    OPTIMIZERS,
    TRANSFORMERS,
    assert_close,
    assert_same_bits,
    in_rounds,
    lanes,
    make_job,
    make_pack,
    plain,
)
from pipeline.lanes import pieces
from pipeline.lanes.checkpoint import Store
from pipeline.params.network import Model
from pipeline.params.schedule import Schedule
from pipeline.training.pack import Pack, Trained, joined

RATES = (0.003, 0.03, 1e9)
"""The last one diverges."""


def dropping_out(shape: tuple[int, ...], outputs: int) -> nn.Module:
    """A network that draws from torch's global generator."""
    return nn.Sequential(nn.Linear(shape[0], 8), nn.Dropout(0.5), nn.Linear(8, outputs))


class TestLanes:
    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_every_optimizer(self, make_data: MakeData, optimizer: str) -> None:
        pack, data = make_pack(RATES, optimizer=OPTIMIZERS[optimizer]), make_data()

        def train(part: Pack) -> Trained:
            return lanes(part, data)

        assert_same_bits(in_rounds(pack, train, [1, 2, 5]), train(pack))

    def test_each_alone(self, make_data: MakeData) -> None:
        pack, data = make_pack(RATES, model=MODELS["both"]), make_data()

        def train(part: Pack) -> Trained:
            return pieces.train_pieces(part, make_job(data, lanes_at_once=1))

        whole = train(pack)
        assert_same_bits(in_rounds(pack, train, [1, 2, 5]), whole)
        assert_close(whole, plain(pack, data))

    @pytest.mark.parametrize("model", ["batch_norm", "dropout", "ghost"])
    def test_every_kind_of_state(self, make_data: MakeData, model: str) -> None:
        pack, data = make_pack(RATES, model=MODELS[model]), make_data()

        def train(part: Pack) -> Trained:
            return lanes(part, data)

        assert_same_bits(in_rounds(pack, train, [2]), train(pack))

    def test_an_average_that_warms_up(self, make_data: MakeData) -> None:
        chosen, data = OPTIMIZERS["schedule_free"], make_data()
        pack = make_pack(RATES, optimizer=chosen, schedule=Schedule(warmup_steps=5))
        whole = lanes(pack, data)
        assert_close(whole, plain(pack, data))
        assert_same_bits(in_rounds(pack, lambda part: lanes(part, data), [1, 3]), whole)

    def test_a_lone_cell_and_one_that_is_left_alone(self, make_data: MakeData) -> None:
        data = make_data()
        for pack in (make_pack((0.03,), (0,)), make_pack((0.03, 1e9), (0,))):
            found = in_rounds(pack, lambda part: lanes(part, data), [2])
            assert_same_bits(found, lanes(pack, data))

    def test_parts_go_on_alone(self, make_data: MakeData) -> None:
        data, pack = make_data(), make_pack(RATES)
        places = [1, 4]
        begun = lanes(replace(pack, until=pack.evaluation_steps[3]), data)
        rest = replace(pack, begun=begun).part(places)
        assert_same_bits(lanes(rest, data), lanes(pack, data).part(places))


class TestPlainLoop:
    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_every_optimizer(self, make_data: MakeData, optimizer: str) -> None:
        pack, data = make_pack(RATES, (0, 1), optimizer=OPTIMIZERS[optimizer]), make_data()
        found = in_rounds(pack, lambda part: plain(part, data), [1, 4])
        assert_same_bits(found, plain(pack, data))

    @pytest.mark.parametrize("optimizer", ["momentum", "averaged", "schedule_free"])
    def test_batch_norm(self, make_data: MakeData, optimizer: str) -> None:
        keys = {"model": MODELS["both"], "optimizer": OPTIMIZERS[optimizer]}
        pack, data = make_pack(RATES, (0, 1), **keys), make_data()
        found = in_rounds(pack, lambda part: plain(part, data), [1, 4])
        assert_same_bits(found, plain(pack, data))

    def test_pieces_of_which_one_diverges_at_once(self, make_data: MakeData) -> None:
        """Its optimizer remembers nothing, and the others' do."""
        pack, data = make_pack((0.03,), (0, 1), optimizer=OPTIMIZERS["adam"]), make_data()
        whole = plain(pack, data)
        dead, alive = (whole.part([place]) for place in range(2))
        forgetful = replace(dead, state={"generator": dead.state["generator"]})
        for parts, place in (([forgetful, alive], 1), ([alive, forgetful], 0)):
            state = joined(parts).state
            assert state.keys() == alive.state.keys()
            for name, array in alive.state.items():
                assert np.array_equal(state[name][place], array[0])

    def test_an_average_that_was_kept_on_the_disk(
        self, make_data: MakeData, tmp_path: Path
    ) -> None:
        """Its file knows the weights by their numbers, of which "10" comes before "2"."""
        model, data = Model("mlp", [5, 4, 6, 3, 7]), make_data()
        pack = make_pack((0.03,), (0,), model=model, optimizer=OPTIMIZERS["schedule_free"])
        begun = plain(replace(pack, until=pack.evaluation_steps[3]), data)
        kept = Store(tmp_path, "inputs").checkpoint(pack, "loop", 1)
        kept.save(pieces.from_trained(begun))
        content = kept.load(torch.device("cpu"))
        assert content is not None
        found = plain(replace(pack, begun=pieces.to_trained(content)), data)
        assert_same_bits(found, plain(pack, data))

    def test_averages_of_shared_weights(self) -> None:
        model, data = TRANSFORMERS["tied"], text_dataset()
        pack = make_pack(RATES, (0, 1), model=model, optimizer=OPTIMIZERS["averaged"])
        found = in_rounds(pack, lambda part: plain(part, data), [2])
        assert_same_bits(found, plain(pack, data))

    def test_the_global_generator_goes_on_too(self, make_data: MakeData) -> None:
        pack, data = make_pack(model=Model(f"{__name__}:dropping_out")), make_data()
        torch.manual_seed(3)
        found = in_rounds(pack, lambda part: plain(part, data), [2])
        torch.manual_seed(4)
        assert_same_bits(found, plain(pack, data))


def test_a_stopped_training_has_no_end(make_data: MakeData) -> None:
    pack, data = make_pack(), make_data()
    until = pack.evaluation_steps[2]
    for train in (lanes, plain):
        stopped = train(replace(pack, until=until), data)
        assert all(np.isnan(final).all() for final in stopped.finals.values())
        whole = train(pack, data).curves["val_loss"]
        seen = stopped.curves["val_loss"]
        assert np.array_equal(seen[:, :3], whole[:, :3])
        assert np.isnan(seen[:, 3:]).all()
