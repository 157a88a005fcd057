"""A text as three parts of windows: so many tokens, and those that follow them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.data.examples import Array, Examples
from pipeline.data.prepared import Prepared
from pipeline.data.text import documents
from pipeline.data.text.tokens import Vocabulary, vocabulary
from pipeline.errors import InputError, require
from pipeline.params.data import Data, Split

PARTS = ("train", "val", "test")
BETWEEN = "\n"
"""What stands between two documents."""


def prepare_text(data: Data, seed: int) -> Prepared:
    """Read the text, split it, turn it into tokens and those into windows.

    Raises InputError for a file that cannot be read, and for a part that is shorter than a window.
    """
    texts = list(beginning(documents.read(Path(str(data.path)), data.text.key), data.text.limit))
    count, parts = len(texts), split(texts, data, seed)
    del texts  # the parts hold it all again
    words = vocabulary(data.text.tokens, parts["train"], [*parts["val"], *parts["test"]])
    windows = {
        name: in_windows(name, words.numbers(part), data.text.context)
        for name, part in parts.items()
    }
    return Prepared(
        "language",
        windows,
        features=(),
        classes=words.names,
        fitted={"tokens": data.text.tokens},
        notes=tuple(notes(count, windows, words)),
    )


def beginning(texts: list[str], limit: int | None) -> Iterator[str]:
    """The texts up to so many characters, the last one cut."""
    left = sum(map(len, texts)) if limit is None else limit
    for text in texts:
        if left > 0:
            yield text[:left]
            left -= len(text)


def split(texts: list[str], data: Data, seed: int) -> dict[str, list[str]]:
    """The texts of each part: by ``position`` the beginning trains and the end tests, by
    ``document`` each document is drawn to a part whole."""
    if data.text.split == "position":
        return by_position(BETWEEN.join(texts), data.split)
    rule = f"needs at least {len(PARTS)} documents, and there are {len(texts)}"
    require(len(texts) >= len(PARTS), "data.text.split", data.text.split, rule)
    order = np.random.default_rng(seed).permutation(len(texts))
    first, second = ends(data.split, len(texts) - len(PARTS))
    chosen = np.split(order, [first + 1, second + 2])  # one for each part at least
    return {
        name: [texts[place] + BETWEEN for place in sorted(places)]
        for name, places in zip(PARTS, chosen, strict=True)
    }


def by_position(text: str, shares: Split) -> dict[str, list[str]]:
    """Three consecutive stretches of one text."""
    first, second = ends(shares, len(text))
    pieces = (text[:first], text[first:second], text[second:])
    for name, piece in zip(PARTS, pieces, strict=True):
        if not piece:
            raise InputError(f"data.split: the {name} part of {len(text)} characters is empty")
    return {name: [piece] for name, piece in zip(PARTS, pieces, strict=True)}


def ends(shares: Split, count: int) -> tuple[int, int]:
    """Where the training and the validation part of ``count`` things end."""
    return round(shares.train * count), round((shares.train + shares.val) * count)


def in_windows(part: str, tokens: Array, context: int) -> Examples:
    """Consecutive windows, x and y both (windows, context): y is x one token later.

    What is left at the end is in no window.
    """
    count = (len(tokens) - 1) // context
    if count < 1:
        rule = f"is longer than the {part} part, which has {len(tokens)} tokens"
        raise InputError(f"data.text.context: {context} {rule}; a target follows each")
    size = tokens.itemsize
    shape, steps = (count, context), (context * size, size)
    x, y = (
        np.lib.stride_tricks.as_strided(tokens[first:], shape, steps, writeable=False)
        for first in (0, 1)
    )
    return Examples(x, y)


def notes(count: int, windows: dict[str, Examples], words: Vocabulary) -> list[str]:
    """What a reader should know."""
    told = [f"{count:,} documents"] if count > 1 else []
    sizes = ", ".join(f"{part.x.size:,} {name}" for name, part in windows.items())
    told.append(f"tokens: {sizes}, of {len(words.names):,} kinds")
    if words.has_unknown:
        others = sum(int((windows[part].y == len(words.names) - 1).sum()) for part in PARTS)
        told.append(f"{others:,} characters that the training part does not have are one token")
    return told
