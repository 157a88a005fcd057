"""The sections that make a study: grid, target, confirmation, measures, limits, machine."""

from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import require
from pipeline.params.checks import check_list, is_number, one_of

METRICS = ("val_score", "val_loss")
DEVICES = ("auto", "cpu", "cuda")
ENGINES = ("auto", "loop", "traced", "compiled")
EXECUTORS = ("local", "ray", "slurm")
CLUSTERS = ("slurm", "local")
FULL = "full"
CONFIRM_SEED_BASE = 1000
BatchSize = int | str
"""A number of examples, or ``full``: all of the training part."""


@dataclass(frozen=True)
class Grid:
    """What is crossed: variants, batch sizes, learning rates, seeds.

    extensions: how often rates may be added beyond an end of the grid. race: whether trainings stop
    once they cannot change the answer; ``auto`` where they would take long.
    """

    variant: list[str] = field(default_factory=lambda: ["baseline"])
    batch_size: list[Any] = field(default_factory=lambda: [32])
    lr: list[float] = field(default_factory=lambda: [0.1])
    seeds: int = 3
    extensions: int = 4
    race: Any = False

    def __post_init__(self) -> None:
        require(self.extensions >= 0, "grid.extensions", self.extensions, "is below 0")
        rule = "is none of true, false and auto"
        require(self.race in (True, False, "auto"), "grid.race", self.race, rule)
        check_list("grid.variant", self.variant)
        check_list("grid.batch_size", self.batch_size)
        for size in self.batch_size:
            whole = isinstance(size, int) and not isinstance(size, bool) and size >= 1
            require(
                whole or size == FULL,
                "grid.batch_size",
                size,
                "is neither a whole number from 1 nor 'full'",
            )
        check_list("grid.lr", self.lr)
        for lr in self.lr:
            require(is_number(lr) and lr > 0, "grid.lr", lr, "is not a finite rate above 0")
        require(
            1 <= self.seeds < CONFIRM_SEED_BASE,
            "grid.seeds",
            self.seeds,
            f"is outside 1..{CONFIRM_SEED_BASE - 1}",
        )


@dataclass(frozen=True)
class Target:
    """The validation score or loss that counts as trained."""

    metric: str = "val_score"
    value: Any = "auto"

    def __post_init__(self) -> None:
        one_of("target.metric", self.metric, METRICS)
        require(
            self.value == "auto" or is_number(self.value),
            "target.value",
            self.value,
            "is neither 'auto' nor a number",
        )


@dataclass(frozen=True)
class Confirm:
    """How many fresh seeds the winners are trained with again."""

    seeds: int = 5

    def __post_init__(self) -> None:
        require(self.seeds >= 2, "confirm.seeds", self.seeds, "is below 2: no interval without two")


@dataclass(frozen=True)
class Throughput:
    """How often the steps of each batch size are timed: in how many blocks, of what length."""

    blocks: int = 20
    block_seconds: float = 0.006

    def __post_init__(self) -> None:
        require(self.blocks >= 3, "throughput.blocks", self.blocks, "is below 3: no quartiles")
        seconds = self.block_seconds
        require(seconds > 0, "throughput.block_seconds", seconds, "is not above 0")


@dataclass(frozen=True)
class Evaluation:
    """On how many training (and test) examples sharpness, landscape and gradient noise are
    measured; all of them where there are no more."""

    examples: int = 1200

    def __post_init__(self) -> None:
        require(self.examples >= 2, "evaluation.examples", self.examples, "is below 2")


@dataclass(frozen=True)
class Limits:
    """What the recommendation must respect; null is no limit.

    score_margin: how much worse than the best batch size a test score may be. indifference: a share
    of the time that nobody minds: more fresh seeds are trained until batch sizes that differ by
    more are told apart. study_seconds: what a study may take, roughly: trainings that take too long
    stop.
    """

    seconds: float | None = None
    memory_gb: float | None = None
    score: float | None = None
    score_margin: float = 0.01
    indifference: float | None = None
    study_seconds: float | None = None

    def __post_init__(self) -> None:
        require(self.score_margin > 0, "limits.score_margin", self.score_margin, "is not above 0")
        for name in ("seconds", "memory_gb", "indifference", "study_seconds"):
            limit = getattr(self, name)
            require(limit is None or limit > 0, f"limits.{name}", limit, "is not above 0")


@dataclass(frozen=True)
class DataParallel:
    """The link between devices that the prediction for several of them assumes.

    processes: up to how many share a batch on this machine, to be measured beside it.
    """

    bandwidth_gb_per_second: float = 10.0
    latency_seconds: float = 1e-5
    processes: int = 1

    def __post_init__(self) -> None:
        bandwidth, latency = self.bandwidth_gb_per_second, self.latency_seconds
        require(bandwidth > 0, "data_parallel.bandwidth_gb_per_second", bandwidth, "is not above 0")
        require(latency >= 0, "data_parallel.latency_seconds", latency, "is below 0")
        count, rule = self.processes, "is none of 1, 2, 4, 8, …"
        require(count >= 1 and not count & (count - 1), "data_parallel.processes", count, rule)


HERE = "here"
"""The name of the machine that makes the report."""


@dataclass(frozen=True)
class Machine:
    """What is known of a machine that was timed; null is nothing.

    price_per_hour: in whatever money; watts: what it draws while it trains; memory_gb: what a
    training may take there.
    """

    price_per_hour: float | None = None
    watts: float | None = None
    memory_gb: float | None = None


@dataclass(frozen=True)
class Resources:
    """What one piece of a training takes on a node of a cluster."""

    cpus: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        require(self.cpus > 0, "impl.resources.cpus", self.cpus, "is not above 0")
        require(self.gpus >= 0, "impl.resources.gpus", self.gpus, "is below 0")


@dataclass(frozen=True)
class Slurm:
    """How jobs are submitted.

    at_once: how many pieces a pack is cut in. options: of ``sbatch``, by their long names. cluster:
    ``local`` runs the same jobs as processes of this machine.
    """

    at_once: int = 8
    minutes: int = 60
    options: dict[str, Any] = field(default_factory=dict)
    cluster: str = "slurm"

    def __post_init__(self) -> None:
        require(self.at_once >= 1, "slurm.at_once", self.at_once, "is below 1")
        require(self.minutes >= 1, "slurm.minutes", self.minutes, "is below 1")
        one_of("slurm.cluster", self.cluster, CLUSTERS)


@dataclass(frozen=True)
class Impl:
    """What may change the speed and never the conclusions.

    checkpoint_seconds: how much of a training a kill may cost, beside the steps under way.
    address: of a Ray cluster: ``auto``, ``local`` or where it listens, as ``HOST:6379``.
    """

    device: str = "auto"
    engine: str = "auto"
    workers: Any = "auto"
    checkpoint_seconds: float = 10.0
    executor: str = "local"
    address: str = "auto"
    resources: Resources = field(default_factory=Resources)

    @property
    def device_here(self) -> str:
        """What this machine looks at data with: its GPU, if it has one, unless others train."""
        return self.device if self.executor == "local" else "cpu"

    @property
    def device_there(self) -> str:
        """What a piece trains on where it runs."""
        if self.executor == "local" or self.device != "auto":
            return self.device
        return "cuda" if self.resources.gpus else "cpu"

    def __post_init__(self) -> None:
        one_of("impl.executor", self.executor, EXECUTORS)
        if self.executor == "slurm":
            cpus, gpus = self.resources.cpus, self.resources.gpus
            rule = "is no whole number, as Slurm gives them"
            require(cpus == int(cpus), "impl.resources.cpus", cpus, rule)
            require(gpus == int(gpus), "impl.resources.gpus", gpus, rule)
        one_of("impl.device", self.device, DEVICES)
        one_of("impl.engine", self.engine, ENGINES)
        require(
            self.workers == "auto" or (isinstance(self.workers, int) and self.workers >= 1),
            "impl.workers",
            self.workers,
            "is neither 'auto' nor a whole number from 1",
        )
        seconds = self.checkpoint_seconds
        require(seconds >= 0, "impl.checkpoint_seconds", seconds, "is below 0")


@dataclass(frozen=True)
class Waves:
    """What follows from ``grid.race``: the variants of which one batch size trains first, for the
    others to be raced to it, and where these find what it reached."""

    variant: list[str] = field(default_factory=list)
    pilots: str = ""


@dataclass(frozen=True)
class Watched:
    """Files of the user's own that DVC watches: the data, or the table of runs; a tokenizer; the
    module of the model; the files of a program; and where what these hold is noted."""

    data: str = ""
    tokens: str = ""
    model: str = ""
    program: list[str] = field(default_factory=list)
    noted: str = ""


@dataclass(frozen=True)
class Mains:
    """What follows from ``trainer``: the package of the stages' mains, and the folder of code that
    these need for other programs' trainings."""

    package: str = "pipeline.stages"
    outside: str = ""
