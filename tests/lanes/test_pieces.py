"""Pieces of a pack: what happens when memory runs out."""

import pytest

from makers.data import MakeData
from makers.packs import assert_close, assert_same_bits, lanes, make_job, make_pack, plain
from pipeline.lanes import pieces
from pipeline.lanes.job import Job
from pipeline.lanes.pieces import train_pieces
from pipeline.training.pack import Pack, Trained


def limited(
    monkeypatch: pytest.MonkeyPatch, words: str, most_lanes: int = 100, least_micro: int = 1
) -> list[int]:
    """Let the lane engine fail beyond a size; the sizes it was asked for."""
    sizes: list[int] = []
    real = pieces.train_lanes

    def train_lanes(pack: Pack, job: Job) -> Trained:
        sizes.append(len(pack.cells))
        if len(pack.cells) > most_lanes or job.plan.micro_batches < least_micro:
            job.on_steps(3)
            raise RuntimeError(words)
        return real(pack, job)

    monkeypatch.setattr(pieces, "train_lanes", train_lanes)
    return sizes


class TestOutOfMemory:
    @pytest.mark.parametrize(
        "words", ["CUDA out of memory.", "DefaultCPUAllocator: can't allocate memory"]
    )
    def test_running_out_halves_the_lanes(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch, words: str
    ) -> None:
        pack, data = make_pack(), make_data()
        expected = lanes(pack, data)
        sizes = limited(monkeypatch, words, most_lanes=2)
        heard: list[int] = []
        found = train_pieces(pack, make_job(data, on_steps=heard.append))
        assert sizes == [6, 3, 2, 1, 3, 2, 1]  # a lone cell trains beside its twin
        assert sum(heard) == pack.steps * len(pack.cells)
        assert_same_bits(found, expected)

    def test_then_splits_the_batch(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pack, data = make_pack((0.1,), (0,)), make_data()
        limited(monkeypatch, "out of memory", least_micro=4)
        found = train_pieces(pack, make_job(data))
        assert found.micro_batches.tolist() == [4]
        assert_close(found, plain(pack, data))

    def test_one_example_too_many_is_an_error(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limited(monkeypatch, "out of memory", most_lanes=0)
        with pytest.raises(RuntimeError, match="out of memory"):
            train_pieces(make_pack(), make_job(make_data()))

    def test_other_errors_pass_through(
        self, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limited(monkeypatch, "something else", most_lanes=0)
        with pytest.raises(RuntimeError, match="something else"):
            train_pieces(make_pack(), make_job(make_data()))
