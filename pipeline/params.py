"""The typed shape of params.yaml: sections that check themselves, variants, cells.

OmegaConf is imported where a file is read; whoever builds the dataclasses by hand needs
the standard library alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError, require

if TYPE_CHECKING:
    from omegaconf import DictConfig

TASKS = ("auto", "classification", "regression")
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
)
FILES = ("table", "images", "arrays")
"""Sources that are a user's own file or folder."""
OWN_TEST_SET = ("mnist", "fashion_mnist", "cifar10")
SCALINGS = ("none", "minmax", "standard")
MODELS = ("linear", "mlp", "cnn", "resnet")
ACTIVATIONS = ("relu", "tanh", "gelu")
NORMS = ("none", "batch", "ghost")
OPTIMIZERS = ("sgd", "nesterov", "adagrad", "adam", "adamw", "lars", "lamb")
WITH_MOMENTUM = ("sgd", "nesterov", "lars")
SCHEDULES = ("constant", "cosine", "step", "growth")
BATCH_RULES = {"none": 0.0, "linear": 1.0, "sqrt": 0.5}
"""Exponents of the rate against the batch size."""
METRICS = ("val_score", "val_loss")
DEVICES = ("auto", "cpu", "cuda")
ENGINES = ("auto", "loop", "traced", "compiled")
DTYPES = ("float32",)
FULL = "full"
CONFIRM_SEED_BASE = 1000

BatchSize = int | str
"""A number of examples, or ``full``: all of the training part."""


def one_of(key: str, value: object, allowed: tuple[str, ...]) -> None:
    """Refuse a value outside a closed list."""
    require(value in allowed, key, value, f"is not one of {', '.join(allowed)}")


def is_number(value: object) -> bool:
    """A finite int or float, and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_factory(name: str) -> bool:
    """Whether a name reads as ``module.path:function``."""
    module, _, function = name.partition(":")
    return function.isidentifier() and all(part.isidentifier() for part in module.split("."))


def check_list(key: str, values: list[Any]) -> None:
    """Refuse an empty list and duplicates."""
    require(len(values) > 0, key, list(values), "is empty; it needs at least one value")
    require(len(set(values)) == len(values), key, list(values), "has duplicates")


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
    which its levels are joined.
    """

    separator: str = "auto"
    encoding: str = "utf-8"
    decimal: str = "."
    drop: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)
    dates: str = "refuse"
    levels: int = 20
    rare: float = 0.01

    def __post_init__(self) -> None:
        single = self.separator == "auto" or len(self.separator) == 1
        require(single, "data.table.separator", self.separator, "is neither 'auto' nor a character")
        one_of("data.table.decimal", self.decimal, (".", ","))
        one_of("data.table.dates", self.dates, ("refuse", "days"))
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
class Data:
    """Where the examples come from, and what is predicted.

    task: ``auto`` lets a table's or an array's target tell.
    """

    source: str = "digits"
    path: str | None = None
    target: str | None = None
    task: str = "classification"
    split: Split = field(default_factory=Split)
    table: Table = field(default_factory=Table)
    images: Images = field(default_factory=Images)

    def __post_init__(self) -> None:
        one_of("data.source", self.source, SOURCES)
        one_of("data.task", self.task, TASKS)
        self._check_source()
        is_table = self.source == "table"
        require(is_table == (self.target is not None), "data.target", self.target, self._rule())
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


@dataclass(frozen=True)
class Model:
    """The network; ``hidden`` are widths, or channels for a cnn.

    ``norm_layers`` is ``all`` or a list of hidden-layer numbers from 0; ``ghost_size`` is how many
    examples a ghost batch norm takes together; a ``module.path:function`` as the name is a user's
    own network, which is given ``options``.
    """

    name: str = "mlp"
    hidden: list[int] = field(default_factory=list)
    activation: str = "relu"
    norm: str = "none"
    norm_layers: Any = "all"
    ghost_size: int = 32
    dropout: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(
            not self.options or is_factory(self.name),
            "model.options",
            dict(self.options),
            f"is for a network of your own; {self.name} takes none",
        )
        require(
            self.name in MODELS or is_factory(self.name),
            "model.name",
            self.name,
            f"is not one of {', '.join(MODELS)} and no 'module.path:function'",
        )
        one_of("model.activation", self.activation, ACTIVATIONS)
        one_of("model.norm", self.norm, NORMS)
        require(
            all(width >= 1 for width in self.hidden),
            "model.hidden",
            list(self.hidden),
            "has a width below 1",
        )
        rule = "is below 2: one example has no variance"
        require(self.ghost_size >= 2, "model.ghost_size", self.ghost_size, rule)
        require(0 <= self.dropout < 1, "model.dropout", self.dropout, "is outside [0, 1)")
        if self.norm_layers != "all":
            self._check_norm_layers()

    def _check_norm_layers(self) -> None:
        known = range(len(self.hidden))
        require(
            isinstance(self.norm_layers, list)
            and all(isinstance(layer, int) and layer in known for layer in self.norm_layers),
            "model.norm_layers",
            self.norm_layers,
            f"is neither 'all' nor a list of hidden layers 0..{len(self.hidden) - 1}",
        )


@dataclass(frozen=True)
class Optimizer:
    """The update rule; its rate comes from the grid.

    beta2: of Adam, AdamW and LAMB; with ``beta2_batch_size`` it is that of this batch size, and
    elsewhere such that its half-life in examples stays (Marek et al. 2025).
    """

    name: str = "sgd"
    momentum: float = 0.0
    weight_decay: float = 0.0
    beta2: float = 0.999
    beta2_batch_size: int | None = None

    def at(self, batch_size: int) -> Optimizer:
        """The rule at a batch size, with its own beta2."""
        if self.beta2_batch_size is None:
            return self
        beta2 = self.beta2 ** (batch_size / self.beta2_batch_size)
        return dataclasses.replace(self, beta2=beta2, beta2_batch_size=None)

    def __post_init__(self) -> None:
        base = self.beta2_batch_size
        require(0 < self.beta2 < 1, "optimizer.beta2", self.beta2, "is outside (0, 1)")
        require(base is None or base >= 1, "optimizer.beta2_batch_size", base, "is below 1")
        one_of("optimizer.name", self.name, OPTIMIZERS)
        require(0 <= self.momentum < 1, "optimizer.momentum", self.momentum, "is outside [0, 1)")
        require(
            self.momentum == 0 or self.name in WITH_MOMENTUM,
            "optimizer.momentum",
            self.momentum,
            f"is not used by {self.name}",
        )
        require(
            self.name != "nesterov" or self.momentum > 0,
            "optimizer.momentum",
            self.momentum,
            "must be above 0 for nesterov",
        )
        require(self.weight_decay >= 0, "optimizer.weight_decay", self.weight_decay, "is below 0")


@dataclass(frozen=True)
class Schedule:
    """How the rate changes along the budget; milestones are shares of it.

    At each milestone ``step`` multiplies the rate by ``factor``, and ``growth`` divides the batch
    size by it instead, so that the same examples are seen in fewer steps (Smith et al. 2018).

    batch_rule: the grid's rates are those at ``base_batch_size``, and are scaled linearly, or by
    the square root, to every other batch size.
    """

    name: str = "constant"
    warmup_steps: int = 0
    milestones: list[float] = field(default_factory=list)
    factor: float = 1.0
    batch_rule: str = "none"
    base_batch_size: int = 32

    def __post_init__(self) -> None:
        one_of("schedule.name", self.name, SCHEDULES)
        one_of("schedule.batch_rule", self.batch_rule, tuple(BATCH_RULES))
        base = self.base_batch_size
        require(base >= 1, "schedule.base_batch_size", base, "is below 1")
        require(self.warmup_steps >= 0, "schedule.warmup_steps", self.warmup_steps, "is below 0")
        require(0 < self.factor <= 1, "schedule.factor", self.factor, "is outside (0, 1]")
        milestones = list(self.milestones)
        require(
            milestones == sorted(milestones) and all(0 < share < 1 for share in milestones),
            "schedule.milestones",
            milestones,
            "is not an ascending list of shares in (0, 1)",
        )
        if self.name in ("step", "growth"):
            require(len(milestones) > 0, "schedule.milestones", milestones, "is empty")


@dataclass(frozen=True)
class Budget:
    """How long a cell trains, and how often it is evaluated."""

    epochs: int = 30
    min_steps: int = 300
    evaluations: int = 40

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "budget.epochs", self.epochs, "is below 1")
        require(self.min_steps >= 2, "budget.min_steps", self.min_steps, "is below 2")
        require(self.evaluations >= 2, "budget.evaluations", self.evaluations, "is below 2")


@dataclass(frozen=True)
class Grid:
    """What is crossed: variants, batch sizes, learning rates, seeds.

    extensions: how often rates may be added beyond an end of the grid.
    """

    variant: list[str] = field(default_factory=lambda: ["baseline"])
    batch_size: list[Any] = field(default_factory=lambda: [32])
    lr: list[float] = field(default_factory=lambda: [0.1])
    seeds: int = 3
    extensions: int = 4

    def __post_init__(self) -> None:
        require(self.extensions >= 0, "grid.extensions", self.extensions, "is below 0")
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
class Evaluation:
    """On how many training (and test) examples sharpness, landscape and gradient noise are
    measured; all of them where there are no more."""

    examples: int = 1200

    def __post_init__(self) -> None:
        require(self.examples >= 2, "evaluation.examples", self.examples, "is below 2")


@dataclass(frozen=True)
class Limits:
    """What the recommendation must respect; null is no limit.

    score_margin: how much worse than the best batch size a test score may be.
    """

    seconds: float | None = None
    memory_gb: float | None = None
    score: float | None = None
    score_margin: float = 0.01

    def __post_init__(self) -> None:
        require(self.score_margin > 0, "limits.score_margin", self.score_margin, "is not above 0")
        for name in ("seconds", "memory_gb"):
            limit = getattr(self, name)
            require(limit is None or limit > 0, f"limits.{name}", limit, "is not above 0")


@dataclass(frozen=True)
class DataParallel:
    """The link between devices that the prediction for several of them assumes."""

    bandwidth_gb_per_second: float = 10.0
    latency_seconds: float = 1e-5

    def __post_init__(self) -> None:
        bandwidth, latency = self.bandwidth_gb_per_second, self.latency_seconds
        require(bandwidth > 0, "data_parallel.bandwidth_gb_per_second", bandwidth, "is not above 0")
        require(latency >= 0, "data_parallel.latency_seconds", latency, "is below 0")


@dataclass(frozen=True)
class Impl:
    """What may change the speed and never the conclusions."""

    device: str = "auto"
    engine: str = "auto"
    workers: Any = "auto"
    executor: str = "local"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        one_of("impl.device", self.device, DEVICES)
        one_of("impl.engine", self.engine, ENGINES)
        one_of("impl.executor", self.executor, ("local",))
        one_of("impl.dtype", self.dtype, DTYPES)
        require(
            self.workers == "auto" or (isinstance(self.workers, int) and self.workers >= 1),
            "impl.workers",
            self.workers,
            "is neither 'auto' nor a whole number from 1",
        )


@dataclass(frozen=True)
class Watched:
    """Files of the user's own that DVC watches: the data, the module of the model."""

    data: str = ""
    model: str = ""


@dataclass(frozen=True)
class Settings:
    """How one variant trains: the base keys with the variant's laid over them."""

    seed: int = 0
    scaling: str = "standard"
    model: Model = field(default_factory=Model)
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    budget: Budget = field(default_factory=Budget)
    lr: tuple[float, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One training: (variant, batch size, learning rate, seed), and the phase that asked for it."""

    variant: str
    batch_size: BatchSize
    lr: float
    seed: int
    phase: str = "screen"


@dataclass(frozen=True)
class Params:
    """All of params.yaml."""

    conf_digest: str = ""
    watched: Watched = field(default_factory=Watched)
    seed: int = 0
    data: Data = field(default_factory=Data)
    scaling: str = "standard"
    model: Model = field(default_factory=Model)
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    budget: Budget = field(default_factory=Budget)
    grid: Grid = field(default_factory=Grid)
    variants: dict[str, Any] = field(default_factory=lambda: {"baseline": {}})
    target: Target = field(default_factory=Target)
    confirm: Confirm = field(default_factory=Confirm)
    evaluation: Evaluation = field(default_factory=Evaluation)
    limits: Limits = field(default_factory=Limits)
    data_parallel: DataParallel = field(default_factory=DataParallel)
    impl: Impl = field(default_factory=Impl)

    def __post_init__(self) -> None:
        require(self.seed >= 0, "seed", self.seed, "is below 0")
        one_of("scaling", self.scaling, SCALINGS)
        for name in self.grid.variant:
            known = ", ".join(self.variants)
            require(
                name in self.variants, "grid.variant", name, f"is not a key of variants: {known}"
            )
            require(
                name.replace("_", "").isalnum(),
                "variants",
                name,
                "is not made of letters, digits and _",
            )

    def packs(self) -> Iterator[tuple[str, BatchSize]]:
        """The (variant, batch size) pairs of the grid, in its order."""
        for variant in self.grid.variant:
            for batch_size in self.grid.batch_size:
                yield variant, batch_size

    def settings(self, variant: str) -> Settings:
        """The base settings with a variant's keys laid over them.

        Raises InputError for an unknown key or a bad value, naming the variant.
        """
        overlay = self.variants[variant] or {}
        try:
            merged = _laid_over(self, overlay)
        except InputError as error:
            raise InputError(f"variants.{variant}: {error}") from None
        names = [f.name for f in dataclasses.fields(Settings) if f.name != "lr"]
        return Settings(**{name: getattr(merged, name) for name in names}, lr=tuple(merged.grid.lr))

    def cells(self, variant: str, batch_size: BatchSize, resolved: int) -> list[Cell]:
        """The screening cells of one pack: its rates crossed with the seeds.

        resolved: the batch size as a number of examples.
        """
        settings = self.settings(variant)
        schedule = settings.schedule
        ratio = (resolved / schedule.base_batch_size) ** BATCH_RULES[schedule.batch_rule]
        rates = [float(f"{lr * ratio:.4g}") if ratio != 1 else lr for lr in settings.lr]
        return [Cell(variant, batch_size, lr, seed) for lr in rates for seed in self.screen_seeds()]

    def screen_seeds(self) -> range:
        """The seeds of the screening phase."""
        return range(self.grid.seeds)

    def confirm_seeds(self) -> range:
        """Seeds that the screening never used, whatever its size."""
        return range(CONFIRM_SEED_BASE, CONFIRM_SEED_BASE + self.confirm.seeds)


VARIANT_KEYS = ("scaling", "model", "optimizer", "schedule", "budget", "grid")


def _laid_over(params: Params, overlay: dict[str, Any]) -> Params:
    from omegaconf import OmegaConf

    for key, value in overlay.items():
        require(key in VARIANT_KEYS, key, value, f"is not one of {', '.join(VARIANT_KEYS)}")
    for key, value in overlay.get("grid", {}).items():
        require(key == "lr", f"grid.{key}", value, "only grid.lr can vary")
    return _build(OmegaConf.create(dataclasses.asdict(params)), OmegaConf.create(overlay))


def schema() -> DictConfig:
    """The structured config of Params, writable: the types for whatever is laid over it."""
    from omegaconf import DictConfig, OmegaConf

    root = OmegaConf.structured(Params)
    nodes = [root]
    while nodes:  # frozen dataclasses come out read-only, which no override would get through
        node = nodes.pop()
        OmegaConf.set_readonly(node, None)
        if isinstance(node, DictConfig):
            nodes += [child for key in node if OmegaConf.is_config(child := node._get_node(key))]
        else:
            nodes += [child for child in node._iter_ex(False) if OmegaConf.is_config(child)]
    return root


def _build(*layers: DictConfig) -> Params:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    missing = sorted(key for layer in layers for key in OmegaConf.missing_keys(layer))
    require(not missing, ", ".join(missing), "???", "must be given a value")
    try:
        params: Params = OmegaConf.to_object(OmegaConf.merge(schema(), *layers))  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise InputError(one_line(error)) from None
    return params


def one_line(error: BaseException) -> str:
    """An OmegaConf or Hydra message as ``key: what is wrong``."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    keys = [
        line.removeprefix("full_key:").strip() for line in lines if line.startswith("full_key:")
    ]
    noise = ("full_key:", "reference_type=", "object_type=")
    text = " ".join(line for line in lines if not line.startswith(noise))
    text = text.split(" Config search path:")[0].split(" See https://")[0]
    if error.__cause__ is not None:
        text += f" ({one_line(error.__cause__)})"
    return f"{keys[0]}: {text}" if keys and keys[0] else text


def from_config(config: DictConfig) -> Params:
    """Check a composed config and turn it into Params; every variant is checked too."""
    from omegaconf import OmegaConf

    params = _build(OmegaConf.create(dict(OmegaConf.to_container(config))))  # type: ignore[arg-type]
    for variant in params.variants:
        check_batch_norm(params, variant)
    return params


def check_batch_norm(params: Params, variant: str) -> None:
    """Check a variant's settings, and that its batch norm, if it has one, sees two examples."""
    norm = params.settings(variant).model.norm
    refused = norm != "none" and variant in params.grid.variant and 1 in params.grid.batch_size
    rule = f"is too small for variant {variant}: batch norm needs two examples for a variance"
    require(not refused, "grid.batch_size", 1, rule)


def load(path: Path = Path("params.yaml")) -> Params:
    """Read and check params.yaml.

    Raises InputError naming the key, the value and the rule.
    """
    from omegaconf import DictConfig, OmegaConf

    if not path.is_file():
        raise InputError(f"{path}: no such file; `python -m pipeline.stages.config` composes it")
    try:
        config = OmegaConf.load(path)
    except Exception as error:  # the YAML parser's errors share no public base class with OmegaConf
        raise InputError(f"{path}: not readable as YAML: {one_line(error)}") from None
    require(isinstance(config, DictConfig), str(path), type(config).__name__, "is not a mapping")
    assert isinstance(config, DictConfig)
    try:
        return from_config(config)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
