"""The ``data`` section: where the examples come from, how they are read and split."""

import math
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import InputError, require
from pipeline.params.checks import is_number, one_of

TASKS = ("auto", "classification", "regression", "language")
SOURCES = (
    "digits",
    "breast_cancer",
    "wine",
    "diabetes",
    "mnist",
    "fashion_mnist",
    "cifar10",
    "table",
    "images",
    "arrays",
    "text",
)
FILES = ("table", "images", "arrays", "text")
"""Sources that are a user's own file or folder."""
TOKENS = ("char", "byte")
"""What a text is made of, unless by a tokenizer's file."""
OWN_TEST_SET = ("mnist", "fashion_mnist", "cifar10")
WITHOUT_IMAGES = ("breast_cancer", "wine", "diabetes", "table", "text")
SCALINGS = ("none", "minmax", "standard")


@dataclass(frozen=True)
class Split:
    """Shares of the data; ``test: official`` takes the source's own test set instead.

    by: a column of a table; its groups stay whole (``kind: group``), or its latest rows are the
    test part and those before them the validation part (``kind: time``).
    """

    train: float = 0.6
    val: float = 0.2
    test: Any = 0.2
    by: str | None = None
    kind: str = "group"

    def __post_init__(self) -> None:
        one_of("data.split.kind", self.kind, ("group", "time"))
        rule = "needs a column in data.split.by"
        require(self.kind == "group" or self.by is not None, "data.split.kind", self.kind, rule)
        shares = [self.train, self.val]
        if self.test != "official":
            require(
                is_number(self.test), "data.split.test", self.test, "is no share and not 'official'"
            )
            shares.append(self.test)
        require(
            all(0 < share < 1 for share in shares),
            "data.split",
            shares,
            "has a share outside (0, 1)",
        )
        require(math.isclose(sum(shares), 1.0, abs_tol=1e-6), "data.split", shares, "must sum to 1")


@dataclass(frozen=True)
class Table:
    """How a table is read.

    separator: ``auto`` or the character; decimal: of numbers; drop: columns left out; categorical:
    columns of numbers that are names of levels; dates: ``refuse`` or ``days`` (since 1970);
    levels: the most columns that a category becomes; rare: the share of the training rows below
    which its levels are joined; duplicates: what becomes of rows that repeat another, target and
    all: ``keep`` or ``drop``.
    """

    separator: str = "auto"
    encoding: str = "utf-8"
    decimal: str = "."
    drop: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)
    dates: str = "refuse"
    levels: int = 20
    rare: float = 0.01
    duplicates: str = "keep"

    def __post_init__(self) -> None:
        single = self.separator == "auto" or len(self.separator) == 1
        require(single, "data.table.separator", self.separator, "is neither 'auto' nor a character")
        one_of("data.table.decimal", self.decimal, (".", ","))
        one_of("data.table.dates", self.dates, ("refuse", "days"))
        one_of("data.table.duplicates", self.duplicates, ("keep", "drop"))
        require(self.levels >= 2, "data.table.levels", self.levels, "is below 2")
        require(0 <= self.rare < 1, "data.table.rare", self.rare, "is outside [0, 1)")
        try:
            "".encode(self.encoding)
        except LookupError:
            rule = "is no encoding that Python knows"
            raise InputError(f"data.table.encoding: {self.encoding!r} {rule}") from None


@dataclass(frozen=True)
class Images:
    """How a folder of images is read: each resized to ``size`` x ``size`` pixels, in grey or rgb;
    files that cannot be decoded are refused or skipped."""

    size: int = 28
    channels: str = "grey"
    corrupt: str = "refuse"

    def __post_init__(self) -> None:
        require(self.size >= 1, "data.images.size", self.size, "is below 1")
        one_of("data.images.channels", self.channels, ("grey", "rgb"))
        one_of("data.images.corrupt", self.corrupt, ("refuse", "skip"))


@dataclass(frozen=True)
class Text:
    """How a text becomes examples, windows of ``context`` tokens.

    tokens: ``char``, ``byte``, or a tokenizer's file; limit: of characters, the rest of the text is
    left alone; key: under which the text stands in a .jsonl or .parquet file; split: the parts
    follow each other by ``position`` in the text, or each ``document`` is drawn to one whole.
    """

    tokens: str = "char"
    context: int = 64
    limit: int | None = None
    key: str = "text"
    split: str = "position"

    def __post_init__(self) -> None:
        require(self.context >= 1, "data.text.context", self.context, "is below 1")
        is_some = self.limit is None or self.limit >= 1
        require(is_some, "data.text.limit", self.limit, "is below 1")
        one_of("data.text.split", self.split, ("position", "document"))


@dataclass(frozen=True)
class Data:
    """Where the examples come from, and what is predicted.

    task: ``auto`` lets a table's or an array's target tell. limit: of how many examples, drawn at
    random, the parts are made, beside as large a share of the source's own test set; None: of all.
    val_limit: at most how many of the validation part's, of a text its windows, are looked at.
    """

    source: str = "digits"
    path: str | None = None
    target: str | None = None
    task: str = "classification"
    split: Split = field(default_factory=Split)
    table: Table = field(default_factory=Table)
    images: Images = field(default_factory=Images)
    text: Text = field(default_factory=Text)
    limit: int | None = None
    val_limit: int | None = None

    def __post_init__(self) -> None:
        one_of("data.source", self.source, SOURCES)
        one_of("data.task", self.task, TASKS)
        self._check_source()
        is_text = self.source == "text"
        rule = "does not fit a text: language does" if is_text else "is for data=text alone"
        require(is_text == (self.task == "language"), "data.task", self.task, rule)
        is_table = self.source == "table"
        require(is_table == (self.target is not None), "data.target", self.target, self._rule())
        is_some = self.limit is None or self.limit >= 1
        require(is_some, "data.limit", self.limit, "is below 1")
        is_enough = self.val_limit is None or self.val_limit >= 10
        require(is_enough, "data.val_limit", self.val_limit, "is below 10")
        rule = "is not for a text, which data.text.limit cuts"
        require(self.limit is None or not is_text, "data.limit", self.limit, rule)
        by = self.split.by
        require(is_table or by is None, "data.split.by", by, "is for tables alone")
        require(by is None or by != self.target, "data.split.by", by, "is the target")

    def _rule(self) -> str:
        known = "names no column: data=table needs one to predict"
        return known if self.source == "table" else f"is for tables alone, not for {self.source}"

    def _check_source(self) -> None:
        if self.source in FILES:
            rule = f"names no file or folder: data={self.source} needs one"
            require(self.path is not None, "data.path", self.path, rule)
        else:
            rule = f"is for table and arrays; {self.source} knows its task"
            require(self.task != "auto", "data.task", self.task, rule)
        if self.source in OWN_TEST_SET:
            require(self.path is not None, "data.path", self.path, f"{self.source} needs a folder")
        else:
            require(
                self.split.test != "official",
                "data.split.test",
                self.split.test,
                f"{self.source} has no test set of its own",
            )
