"""Examples that change in every epoch: what is drawn, and what it does to them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from makers.data import text_dataset
from makers.packs import assert_close, assert_same_bits, lanes, make_pack, plain
from pipeline.errors import InputError
from pipeline.params.augmentation import Augmentation
from pipeline.params.network import Model
from pipeline.params.schedule import Budget, Schedule
from pipeline.training import loop, seeds
from pipeline.training.augmentation import COLUMN, MIRROR, ROW, batch_of, changed, drawn, shifted
from pipeline.training.dataset import Dataset, Part

ALL = Augmentation(crop=2, flip=True, cutout=3)
KEY = seeds.augmentation_key(0, 3)


def images(count: int = 24, side: int = 6) -> Dataset:
    """Images of two channels, and which half of them is brighter."""
    pixels = torch.rand(count, 2, side, side, generator=torch.Generator().manual_seed(0))
    part = Part(pixels, (pixels.mean((1, 2, 3)) > 0.5).long())
    return Dataset("classification", 2, part, part, part)


def moved(image: Tensor, rows: int, columns: int, is_mirrored: bool) -> Tensor:
    """An image moved over zeros by slicing a padded one, as torchvision does."""
    side, pad = image.shape[-1], 2
    padded = torch.nn.functional.pad(image, (pad, pad, pad, pad))
    if is_mirrored:
        padded = padded.flip(-1)
        columns = 2 * pad - columns
    return padded[:, rows : rows + side, columns : columns + side]


class TestDraws:
    def test_all_numbers_come_equally_often(self) -> None:
        places = torch.arange(50_000)
        for draw, count in ((ROW, 5), (MIRROR, 2)):
            shares = np.bincount(drawn(KEY, places, draw, count)) / len(places)
            assert shares == pytest.approx(np.full(count, 1 / count), abs=0.01)

    def test_draws_epochs_and_seeds_do_not_know_each_other(self) -> None:
        places = torch.arange(50_000)
        first = drawn(KEY, places, ROW, 9).double()
        others = (
            drawn(KEY, places, COLUMN, 9),
            drawn(KEY, places + 50_000, ROW, 9),
            drawn(KEY, places + 1, ROW, 9),
            drawn(seeds.augmentation_key(0, 4), places, ROW, 9),
            drawn(seeds.augmentation_key(1, 3), places, ROW, 9),
        )
        for other in others:
            assert abs(np.corrcoef(first, other.double())[0, 1]) < 0.02


class TestImages:
    @pytest.mark.parametrize("flip", [False, True])
    def test_as_by_padding_and_slicing(self, flip: bool) -> None:
        data, places = images(), torch.arange(24) + 48
        found = batch_of(data, Augmentation(crop=2, flip=flip), KEY, places)
        assert torch.equal(found.y, data.train.y)
        rows, columns = (drawn(KEY, places, draw, 5) for draw in (ROW, COLUMN))
        mirrored = drawn(KEY, places, MIRROR, 2) == 1
        for place in range(24):
            expected = moved(
                data.train.x[place], int(rows[place]), int(columns[place]),
                flip and bool(mirrored[place]),
            )  # fmt: skip
            assert torch.equal(found.x[place], expected)
        assert flip == (not torch.equal(found.x[mirrored], moved_all(data, KEY, places)[mirrored]))

    def test_a_hole_is_square_and_the_rest_stays(self) -> None:
        whole = torch.ones(1000, 1, 8, 8)
        found = changed(whole, Augmentation(cutout=3), KEY, torch.arange(1000))[:, 0]
        for image in found[:50]:
            rows, columns = ((image == 0).any(axis) for axis in (1, 0))
            assert 2 <= rows.sum() <= 3  # cut by the edge, by 1 at most
            assert (image == 0).sum() == rows.sum() * columns.sum()
        # pixels in the middle lie in 9 of 64 holes, the corner's in 4
        assert float((found[:, 4, 4] == 0).float().mean()) == pytest.approx(9 / 64, abs=0.03)
        assert float((found[:, 0, 0] == 0).float().mean()) == pytest.approx(4 / 64, abs=0.03)

    def test_an_example_changes_alike_in_every_batch(self) -> None:
        data, places = images(), torch.tensor([30, 41, 26])
        whole = batch_of(data, ALL, KEY, torch.arange(24, 48)).x
        assert torch.equal(batch_of(data, ALL, KEY, places).x, whole[places - 24])
        assert not torch.equal(batch_of(data, ALL, KEY, places + 24).x, whole[places - 24])


def moved_all(data: Dataset, key: Tensor, places: Tensor) -> Tensor:
    """What a move alone does."""
    return batch_of(data, Augmentation(crop=2), key, places).x


class TestWindows:
    def test_they_begin_anywhere_and_follow_each_other(self) -> None:
        data = text_dataset()
        windows, context = data.train.x.shape
        stream = data.train.x.flatten()
        found = batch_of(data, Augmentation(shift=True), KEY, torch.arange(windows) + windows)
        offset = int(drawn(KEY, torch.ones(1, dtype=torch.int64), ROW, context))
        assert torch.equal(found.x.flatten(), stream.roll(-offset))
        assert torch.equal(found.y.flatten(), data.train.y.flatten().roll(-offset))

    def test_every_epoch_begins_at_another_token(self) -> None:
        firsts = {
            int(shifted(KEY, torch.tensor([100 * epoch]), 100, 64)[0, 0]) for epoch in range(9)
        }
        assert len(firsts) > 5


class TestTrainings:
    @pytest.mark.parametrize("schedule", [Schedule(), Schedule("growth", 0, [0.5], 0.5)])
    def test_images_as_lanes(self, schedule: Schedule) -> None:
        keys = {"model": Model("cnn", [3]), "augmentation": ALL, "schedule": schedule}
        pack = replace(make_pack((0.01,), (0, 1), **keys), snapshots=(), examples=24)
        pack = replace(pack, settings=replace(pack.settings, budget=Budget(3, 3, 2)))
        data = images()
        found = lanes(pack, data)
        assert_close(found, plain(pack, data))
        assert_same_bits(lanes(pack.part([1]), data), found.part([1]))
        bare = replace(pack, settings=replace(pack.settings, augmentation=Augmentation()))
        assert not np.allclose(plain(bare, data).curves["train_loss"], found.curves["train_loss"])

    @pytest.mark.slow
    def test_compiled(self) -> None:
        pack = make_pack((0.01,), (0, 1), model=Model("cnn", [3]), augmentation=ALL)
        pack = replace(pack, snapshots=(), examples=24)
        assert_close(lanes(pack, images(), engine="compiled"), plain(pack, images()))

    def test_texts_as_lanes(self) -> None:
        model = Model("transformer", [], layers=1, heads=1, width=8)
        pack = make_pack(model=model, augmentation=Augmentation(shift=True))
        data = text_dataset()
        pack = replace(pack, examples=len(data.train))
        found = lanes(pack, data)
        assert_close(found, plain(pack, data))
        assert_same_bits(lanes(pack.part([1, 4]), data), found.part([1, 4]))

    def test_places_count_on_through_the_epochs(self) -> None:
        pack = make_pack(augmentation=Augmentation(flip=True))
        places = torch.stack(list(loop.batches(pack, pack.cells[0])))
        assert torch.equal(places // 64, torch.arange(24)[:, None].expand(24, 8) // 8)


@pytest.mark.parametrize(
    ("asked", "task", "shape", "message"),
    [
        (Augmentation(crop=2), "classification", (64,), "augmentation.crop: 2 is for images"),
        (Augmentation(flip=True), "language", (32,), "augmentation.flip: True is for images"),
        (Augmentation(shift=True), "regression", (3,), "augmentation.shift: True is for a text"),
        (Augmentation(cutout=9), "classification", (1, 8, 8), "augmentation.cutout: 9 is beyond"),
    ],
)
def test_what_cannot_be_done_is_refused(
    asked: Augmentation, task: str, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        asked.check(task, shape)
    ALL.check("classification", (1, 8, 8))
    Augmentation(shift=True).check("language", (32,))
