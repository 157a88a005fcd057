"""Examples changed anew in every epoch.

What is drawn for an example is a function of (seed, epoch, example), so that rates, batch sizes and
variants see the same changed examples. An example's place in the endless order of all epochs,
``epoch * examples + example``, stands for the latter two.
"""

import torch
from torch import Tensor

from pipeline.models.dropout import GOLDEN, RESOLUTION, mix
from pipeline.params.augmentation import Augmentation
from pipeline.training.dataset import Dataset, Part

DRAWS = 5
ROW, COLUMN, MIRROR, HOLE_ROW, HOLE_COLUMN = range(DRAWS)


def batch_of(data: Dataset, augmentation: Augmentation, key: Tensor, places: Tensor) -> Part:
    """The examples of a batch, of one training; key: its ``seeds.augmentation_key``; places:
    (batch,), which are rows where nothing is augmented."""
    train = data.train
    if not augmentation:
        return Part(train.x[places], train.y[places])
    if augmentation.shift:
        tokens = shifted(key, places, len(train), train.predicted)
        return Part(train.x.flatten()[tokens], train.y.flatten()[tokens])
    rows = places % len(train)
    return Part(changed(train.x[rows], augmentation, key, places), train.y[rows])


def drawn(key: Tensor, places: Tensor, draw: int, count: int) -> Tensor:
    """For each place one of ``count`` whole numbers from 0, int64.

    key: int32 (..., 2), one for each training; places: (..., batch).
    """
    numbered = (places * DRAWS + (draw + 1)).to(torch.int32)
    bits = mix(mix(numbered * GOLDEN + key[..., :1]) ^ key[..., 1:])
    return ((bits & (RESOLUTION - 1)).float() / RESOLUTION * count).long()


def changed(x: Tensor, augmentation: Augmentation, key: Tensor, places: Tensor) -> Tensor:
    """Images (..., batch, channels, height, width) moved, mirrored and with a hole (Krizhevsky et
    al. 2012, section 4.1; DeVries & Taylor 2017). What lies beyond an image is zero: the mean,
    where it was standardised."""
    height, width = x.shape[-2:]
    rows = torch.arange(height, device=x.device).expand(*places.shape, height)
    columns = torch.arange(width, device=x.device).expand(*places.shape, width)
    kept = hole(rows, columns, augmentation.cutout, key, places)
    if augmentation.flip:
        is_mirrored = drawn(key, places, MIRROR, 2)[..., None] == 1
        columns = torch.where(is_mirrored, width - 1 - columns, columns)
    if crop := augmentation.crop:
        rows = rows + (drawn(key, places, ROW, 2 * crop + 1) - crop)[..., None]
        columns = columns + (drawn(key, places, COLUMN, 2 * crop + 1) - crop)[..., None]
    inside = kept & both(within(rows, 0, height), within(columns, 0, width))
    read = rows.clamp(0, height - 1)[..., :, None] * width
    read = (read + columns.clamp(0, width - 1)[..., None, :]).flatten(-2)[..., None, :]
    pixels = x.flatten(-2)
    moved = pixels.gather(-1, read.expand(*pixels.shape[:-1], -1)).view(x.shape)
    return moved * inside[..., None, :, :]


def hole(rows: Tensor, columns: Tensor, side: int, key: Tensor, places: Tensor) -> Tensor:
    """Which pixels (..., batch, height, width) are outside a square whose middle lies anywhere."""
    height, width = rows.shape[-1], columns.shape[-1]
    top = (drawn(key, places, HOLE_ROW, height) - side // 2)[..., None]
    left = (drawn(key, places, HOLE_COLUMN, width) - side // 2)[..., None]
    return ~both(within(rows, top, top + side), within(columns, left, left + side))


def within(numbers: Tensor, first: Tensor | int, end: Tensor | int) -> Tensor:
    """Which numbers lie from ``first`` up to before ``end``."""
    return (numbers >= first) & (numbers < end)


def both(rows: Tensor, columns: Tensor) -> Tensor:
    """Which pixels lie in a row and in a column of those."""
    return rows[..., :, None] & columns[..., None, :]


def shifted(key: Tensor, places: Tensor, windows: int, context: int) -> Tensor:
    """Which tokens (..., batch, context) of the whole text the windows hold, int64: all begin
    later by what is drawn for the epoch, and the last one goes on at the text's beginning."""
    epochs = torch.div(places, windows, rounding_mode="floor")
    first = places % windows * context + drawn(key, epochs, ROW, context)
    tokens = first[..., None] + torch.arange(context, device=places.device)
    return tokens % (windows * context)
