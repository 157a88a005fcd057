"""A killed training goes on from its checkpoint and ends with the same bytes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from makers.data import MakeData
from makers.packs import MODELS, OPTIMIZERS, SCHEDULES, assert_same_bits, lanes, make_job, make_pack
from pipeline.lanes import order
from pipeline.lanes.checkpoint import Checkpoint, Content, Store
from pipeline.lanes.pieces import train_pieces
from pipeline.lanes.run import train_lanes
from pipeline.params.schedule import Budget
from pipeline.training.dataset import Part


class Interruption(Exception):  # noqa: N818
    """Stands for a kill."""


class TestResume:
    @pytest.mark.parametrize(
        ("optimizer", "schedule"),
        [
            ("momentum", "constant"),
            pytest.param("adam", "growth", marks=pytest.mark.slow),
            pytest.param("schedule_free", "warm", marks=pytest.mark.slow),
        ],
    )
    @pytest.mark.parametrize(
        "at", [pytest.param(1, marks=pytest.mark.slow), 7, pytest.param(13, marks=pytest.mark.slow)]
    )
    def test_a_killed_training_ends_with_the_same_bytes(
        self, make_data: MakeData, tmp_path: Path, at: int, optimizer: str, schedule: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(order, "CHUNK_STEPS", 3)
        keys = {"model": MODELS["both"], "optimizer": OPTIMIZERS[optimizer]}
        keys |= {"schedule": SCHEDULES[schedule], "budget": Budget(4, 16, 6)}
        pack, data = make_pack((0.03, 0.1, 1e9), **keys), make_data("regression")
        expected = lanes(pack, data)
        heard = 0

        def stop(count: int) -> None:
            nonlocal heard
            heard += count
            if heard >= at * len(pack.cells):
                raise Interruption

        store = Store(tmp_path, "inputs")
        with pytest.raises(Interruption):
            train_lanes(pack, make_job(data, on_steps=stop, store=store))
        assert list(tmp_path.glob("inputs-*"))
        resumed: list[int] = []
        found = train_lanes(pack, make_job(data, on_steps=resumed.append, store=store))
        assert 0 < sum(resumed) < pack.steps * len(pack.cells)
        assert_same_bits(found, expected)

    @pytest.mark.parametrize("optimizer", ["momentum", "adam"])
    def test_pieces_share_a_program_across_the_kill(
        self, make_data: MakeData, tmp_path: Path, optimizer: str
    ) -> None:
        """A restored piece records the program that the next piece, fresh, is run by."""
        pack, data = make_pack(optimizer=OPTIMIZERS[optimizer]), make_data()
        expected = lanes(pack, data)
        store = Store(tmp_path, "inputs")

        def stop(_: int) -> None:
            raise Interruption

        job = make_job(data, on_steps=stop, store=store)
        few = replace(job.plan, lanes_at_once=3)
        with pytest.raises(Interruption):
            train_pieces(pack, replace(job, plan=few))
        assert list(tmp_path.glob("inputs-*"))
        again = make_job(data, store=store)
        assert_same_bits(train_pieces(pack, replace(again, plan=few)), expected)

    def test_a_training_killed_as_its_last_lane_died_goes_on(
        self, make_data: MakeData, tmp_path: Path
    ) -> None:
        pack, data = make_pack((1e9,)), make_data("regression")
        job = make_job(data, store=Store(tmp_path, "inputs"))
        expected, again = train_lanes(pack, job), train_lanes(pack, job)
        assert_same_bits(again, expected)

    @pytest.mark.parametrize("optimizer", ["momentum", "averaged", "schedule_free"])
    def test_so_does_one_in_the_plain_loop(
        self, make_data: MakeData, tmp_path: Path, optimizer: str
    ) -> None:
        """Killed in its second cell, it goes on from that cell's last evaluation."""
        pack = make_pack((0.03, 1e9), (0, 1), model=MODELS["both"], optimizer=OPTIMIZERS[optimizer])
        data, store, heard = make_data("regression"), Store(tmp_path, "inputs"), 0
        expected = train_pieces(pack, make_job(data, "loop"))

        def stop(count: int) -> None:
            nonlocal heard
            heard += count
            if heard >= 1.7 * pack.steps:
                raise Interruption

        with pytest.raises(Interruption):
            train_pieces(pack, make_job(data, "loop", on_steps=stop, store=store))
        assert len(list(tmp_path.glob("inputs-*"))) == 2
        parts: list[int] = []
        found = train_pieces(pack, make_job(data, "loop", on_steps=parts.append, store=store))
        assert sum(parts) == pack.steps * len(pack.cells)
        assert len([count for count in parts if count == 1]) < 0.5 * pack.steps
        assert_same_bits(found, expected)

    def test_a_finished_training_is_not_repeated(self, make_data: MakeData, tmp_path: Path) -> None:
        store = Store(tmp_path, "inputs")
        pack, data = make_pack((0.1,)), make_data()
        for engine in ("traced", "loop"):
            first = train_pieces(pack, make_job(data, engine, store=store))
            saved = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
            again = train_pieces(pack, make_job(data, engine, store=store))
            assert_same_bits(again, first)
            assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == saved

    def test_another_configuration_is_not_picked_up(self, tmp_path: Path) -> None:
        store, pack = Store(tmp_path, "inputs"), make_pack()
        names = {
            store.checkpoint(pack, "traced", 1).path,
            store.checkpoint(pack, "traced", 2).path,
            store.checkpoint(pack, "compiled", 1).path,
            store.checkpoint(pack.part([0, 1]), "traced", 1).path,
            store.checkpoint(make_pack(seeds=(0, 1, 6)), "traced", 1).path,
            Store(tmp_path, "other inputs").checkpoint(pack, "traced", 1).path,
        }
        assert len(names) == 6

    def test_nor_is_that_of_another_device(self, make_data: MakeData, tmp_path: Path) -> None:
        data, pack, store = make_data(), make_pack(), Store(tmp_path, "inputs")
        there = replace(data, train=Part(data.train.x.to("meta"), data.train.y))
        names = {make_job(each, store=store).checkpoint(pack).path for each in (data, there)}
        assert len(names) == 2

    def test_lanes_that_train_alone_are_not_gone_on_with_beside_others(
        self, make_data: MakeData, tmp_path: Path
    ) -> None:
        pack, data, store = make_pack((0.03,), (0,)), make_data(), Store(tmp_path, "inputs")
        for at_once in (1, 2):
            train_pieces(pack, make_job(data, store=store, lanes_at_once=at_once))
        assert len(list(tmp_path.glob("inputs-*"))) == 2


class TestDamaged:
    """A file that the disk gives back otherwise is told, and its training begins anew."""

    def saved(self, folder: Path) -> Checkpoint:
        found = Checkpoint(folder / "one.safetensors")
        weights = {"w": torch.arange(600.0).reshape(20, 30), "n": torch.tensor(3)}
        found.save(Content({"param": weights}, {"step": [7]}))
        return found

    def test_what_was_saved_is_loaded(self, tmp_path: Path) -> None:
        content = self.saved(tmp_path).load(torch.device("cpu"))
        assert content is not None
        assert content.numbers == {"step": [7]}
        assert content.groups["param"]["w"].sum() == 179_700

    @pytest.mark.parametrize("fault", ["bit", "cut", "empty", "another"])
    def test_what_is_damaged_is_not(
        self, tmp_path: Path, fault: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        found = self.saved(tmp_path)
        whole = found.path.read_bytes()
        one_bit = whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:]
        faults = {"bit": one_bit, "cut": whole[: len(whole) // 2], "empty": b""}
        if fault == "another":
            save_file({"param|w": torch.zeros(3)}, found.path)
        else:
            found.path.write_bytes(faults[fault])
        assert found.load(torch.device("cpu")) is None
        assert not found.path.exists()
        assert capsys.readouterr().err.endswith("is damaged; its training begins anew\n")
