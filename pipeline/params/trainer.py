"""The ``trainer`` section: who trains, the lanes of this project or a program of the user's."""

import string
from dataclasses import dataclass, field, fields
from typing import Any

from pipeline.errors import InputError, require
from pipeline.params.checks import one_of

TRAINERS = ("lanes", "command", "runs")
NEEDED = ("batch_size", "lr", "seed", "steps", "out")
"""What a command must say where to put."""
PLACEHOLDERS = (*NEEDED, "variant")


@dataclass(frozen=True)
class Columns:
    """What the columns of a table of runs are called; those after ``step`` may be missing, but one
    of the two of the validation part.

    seconds: since the training began.
    """

    batch_size: str = "batch_size"
    lr: str = "lr"
    step: str = "step"
    seed: str = "seed"
    variant: str = "variant"
    val_loss: str = "val_loss"
    val_score: str = "val_score"
    train_loss: str = "train_loss"
    test_score: str = "test_score"
    seconds: str = "seconds"

    def __post_init__(self) -> None:
        names = [getattr(self, each.name) for each in fields(self)]
        rule = "names one column twice"
        require(len(set(names)) == len(names), "trainer.columns", names, rule)


@dataclass(frozen=True)
class Trainer:
    """Who trains a cell.

    command: a program that trains one and writes its table to ``{out}``; path: a table of runs that
    exist. train_examples: an epoch, and ``full``; val_examples: how finely a score is known. deps:
    files that DVC watches, beside those that the command names. at_once: calls side by side, or
    "auto": as many as the machine has room for; retries: of one that fails; timeout_seconds: of a
    call; timed_steps: of the calls that time a step.
    """

    name: str = "lanes"
    command: str | None = None
    path: str | None = None
    columns: Columns = field(default_factory=Columns)
    train_examples: int | None = None
    val_examples: int = 10_000
    deps: list[str] = field(default_factory=list)
    at_once: Any = "auto"
    retries: int = 1
    timeout_seconds: float | None = None
    timed_steps: int = 50

    def __post_init__(self) -> None:
        one_of("trainer.name", self.name, TRAINERS)
        for name, least in (("val_examples", 2), ("retries", 0)):
            value = getattr(self, name)
            require(value >= least, f"trainer.{name}", value, f"is below {least}")
        is_count = type(self.at_once) is int and self.at_once >= 1
        rule = "is neither auto nor a whole number from 1"
        require(self.at_once == "auto" or is_count, "trainer.at_once", self.at_once, rule)
        examples, limit = self.train_examples, self.timeout_seconds
        require(examples is None or examples >= 1, "trainer.train_examples", examples, "is below 1")
        require(limit is None or limit > 0, "trainer.timeout_seconds", limit, "is not above 0")
        require(self.timed_steps >= 2, "trainer.timed_steps", self.timed_steps, "is below 2")
        for name, value, needs in (
            ("trainer.command", self.command, "command"),
            ("trainer.path", self.path, "runs"),
        ):
            is_needed = self.name == needs
            rule = f"is nothing: trainer={needs} needs it"
            require(not is_needed or value is not None, name, value, rule)
            require(is_needed or value is None, name, value, f"is for trainer={needs} alone")
        if self.command is not None:
            check_placeholders(self.command)
            rule = "is nothing: trainer=command needs to know how many examples an epoch has"
            require(examples is not None, "trainer.train_examples", examples, rule)


def check_placeholders(command: str) -> None:
    """Refuse a command that leaves out what it is to train, or asks for what there is not."""
    try:
        named = [name for _, name, _, _ in string.Formatter().parse(command) if name is not None]
    except ValueError as error:
        rule = f"{error}; a brace of the program's own is doubled: {{{{ }}}}"
        raise InputError(f"trainer.command: {command!r} {rule}") from None
    for name in named:
        known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
        require(name in PLACEHOLDERS, "trainer.command", f"{{{name}}}", f"is none of {known}")
    for name in NEEDED:
        require(name in named, "trainer.command", command, f"has no {{{name}}}")
