"""All of params.yaml: read, checked, every variant laid over the base settings.

OmegaConf is imported where a file is read; whoever builds the dataclasses by hand needs the
standard library alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError, require
from pipeline.params.augmentation import Augmentation
from pipeline.params.checks import is_number, one_of
from pipeline.params.data import SCALINGS, WITHOUT_IMAGES, Data
from pipeline.params.network import Model, is_factory
from pipeline.params.optimizer import Optimizer
from pipeline.params.protocol import (
    CONFIRM_SEED_BASE,
    FULL,
    HERE,
    BatchSize,
    Confirm,
    DataParallel,
    Evaluation,
    Grid,
    Impl,
    Limits,
    Machine,
    Mains,
    Slurm,
    Target,
    Throughput,
    Watched,
    Waves,
)
from pipeline.params.schedule import BATCH_RULES, Budget, Schedule
from pipeline.params.settings import Cell, Settings
from pipeline.params.trainer import Trainer

if TYPE_CHECKING:
    from omegaconf import DictConfig


@dataclass(frozen=True)
class Params:
    """All of params.yaml."""

    conf_digest: str = ""
    watched: Watched = field(default_factory=Watched)
    mains: Mains = field(default_factory=Mains)
    seed: int = 0
    trainer: Trainer = field(default_factory=Trainer)
    data: Data = field(default_factory=Data)
    scaling: str = "standard"
    model: Model = field(default_factory=Model)
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    augmentation: Augmentation = field(default_factory=Augmentation)
    budget: Budget = field(default_factory=Budget)
    grid: Grid = field(default_factory=Grid)
    waves: Waves = field(default_factory=Waves)
    variants: dict[str, Any] = field(default_factory=lambda: {"baseline": {}})
    target: Target = field(default_factory=Target)
    confirm: Confirm = field(default_factory=Confirm)
    throughput: Throughput = field(default_factory=Throughput)
    evaluation: Evaluation = field(default_factory=Evaluation)
    limits: Limits = field(default_factory=Limits)
    data_parallel: DataParallel = field(default_factory=DataParallel)
    machines: dict[str, Any] = field(default_factory=dict)
    impl: Impl = field(default_factory=Impl)
    slurm: Slurm = field(default_factory=Slurm)

    def __post_init__(self) -> None:
        require(self.seed >= 0, "seed", self.seed, "is below 0")
        one_of("scaling", self.scaling, SCALINGS)
        self._check_trainer()
        for name in self.machines:
            self.machine(name)
        for name in self.grid.variant:
            known = ", ".join(self.variants)
            require(
                name in self.variants, "grid.variant", name, f"is not a key of variants: {known}"
            )
            require(
                name.replace("_", "").isalnum() and not name.isdigit(),
                "variants",
                name,
                "is not made of letters, digits and _, of digits not alone",
            )

    def machine(self, name: str) -> Machine:
        """What is known of a machine that was timed.

        Raises InputError for an unknown key or a bad value.
        """
        known = {field.name for field in dataclasses.fields(Machine)}
        values = self.machines.get(name) or {}
        for key, value in values.items():
            rule = f"is none of {', '.join(sorted(known))}"
            require(key in known, f"machines.{name}", key, rule)
            is_fitting = value is None or (is_number(value) and value > 0)
            require(is_fitting, f"machines.{name}.{key}", value, "is not a number above 0")
        rule = "is for other machines: limits.memory_gb is for this one"
        is_here = name == HERE and values.get("memory_gb") is not None
        require(not is_here, f"machines.{HERE}.memory_gb", values.get("memory_gb"), rule)
        return Machine(**values)

    def _check_trainer(self) -> None:
        if self.trainer.name == "lanes":
            return
        told = self.trainer
        if told.command is not None:
            names, rule = list(self.grid.variant), "needs {variant} in trainer.command"
            require(len(names) == 1 or "{variant}" in told.command, "grid.variant", names, rule)
            for size in self.grid.batch_size:
                is_whole = size == FULL or size <= (told.train_examples or size)
                rule = f"is beyond the {told.train_examples} of trainer.train_examples"
                require(is_whole, "grid.batch_size", size, rule)
        limits, processes = self.limits, self.data_parallel.processes
        rule = "is for trainer=lanes: another program has to share batches itself"
        require(processes == 1, "data_parallel.processes", processes, rule)
        rule = "is for trainer=lanes: another program's trainings cannot be weighed"
        require(limits.memory_gb is None, "limits.memory_gb", limits.memory_gb, rule)
        if told.command is None:
            rule = "is for trainings to come: runs that exist cannot be"
            seconds, share = limits.study_seconds, limits.indifference
            require(self.grid.race is False, "grid.race", self.grid.race, f"{rule} stopped")
            require(seconds is None, "limits.study_seconds", seconds, f"{rule} stopped")
            require(share is None, "limits.indifference", share, f"{rule} added to")

    @property
    def has_own_network(self) -> bool:
        """Whether the network is a module of the user's: else what is watched is the project's."""
        return bool(self.watched.model) and not self.watched.model.startswith("pipeline/")

    @property
    def own_networks(self) -> list[Path]:
        """The user's files that the networks of the study come from."""
        base = [self.watched.model] if self.has_own_network else []
        of_variants = self.watched.program if self.trainer.name == "lanes" else []
        return [Path(name) for name in (*base, *of_variants)]

    def packs(self) -> Iterator[tuple[str, BatchSize]]:
        """The (variant, batch size) pairs of the grid, in its order."""
        for variant in self.grid.variant:
            for batch_size in self.grid.batch_size:
                yield variant, batch_size

    def pack_named(self, words: Sequence[str]) -> tuple[str, BatchSize]:
        """The variant and batch size that a command line names.

        Raises InputError for a pair that is not in the grid, and for another number of words.
        """
        named = " ".join(words)
        packs = {f"{variant} {size}": (variant, size) for variant, size in self.packs()}
        require(len(words) == 2, "VARIANT BATCH_SIZE", named, "is not two words")
        require(named in packs, "VARIANT BATCH_SIZE", named, "is not in the grid of params.yaml")
        return packs[named]

    def settings(self, variant: str) -> Settings:
        """The base settings with a variant's keys laid over them.

        Raises InputError for an unknown key or a bad value, naming the variant.
        """
        if variant not in self._settings:
            self._settings[variant] = self._settings_of(variant)
        return self._settings[variant]

    @cached_property
    def _settings(self) -> dict[str, Settings]:
        return {}

    def _settings_of(self, variant: str) -> Settings:
        overlay = self.variants[variant]
        try:
            merged = _laid_over(self, overlay) if overlay else self
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


VARIANT_KEYS = ("scaling", "model", "optimizer", "schedule", "augmentation", "budget", "grid")


def _laid_over(params: Params, overlay: dict[str, Any]) -> Params:
    from omegaconf import OmegaConf

    for key, value in overlay.items():
        require(key in VARIANT_KEYS, key, value, f"is not one of {', '.join(VARIANT_KEYS)}")
    for key, value in overlay.get("grid", {}).items():
        require(key == "lr", f"grid.{key}", value, "only grid.lr can vary")
    whole = dataclasses.asdict(params)
    base = OmegaConf.create({key: whole[key] for key in VARIANT_KEYS})
    return dataclasses.replace(params, **_build(varied_schema(), base, OmegaConf.create(overlay)))


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


@cache
def varied_schema() -> DictConfig:
    """That of what a variant may change; made once, for merging copies it."""
    from omegaconf import OmegaConf

    return OmegaConf.masked_copy(schema(), list(VARIANT_KEYS))


def _build(types: DictConfig, *layers: DictConfig) -> Any:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    missing = sorted(key for layer in layers for key in OmegaConf.missing_keys(layer))
    require(not missing, ", ".join(missing), "???", "must be given a value")
    try:
        return OmegaConf.to_object(OmegaConf.merge(types, *layers))
    except OmegaConfBaseException as error:
        raise InputError(one_line(error)) from None


def one_line(error: BaseException) -> str:
    """An OmegaConf or Hydra message as ``key: what is wrong``."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    keys = [
        line.removeprefix("full_key:").strip() for line in lines if line.startswith("full_key:")
    ]
    noise = ("full_key:", "reference_type=", "object_type=")
    text = " ".join(line for line in lines if not line.startswith(noise))
    text = text.split(" Config search path:")[0].split(" See https://")[0]
    text = text.removeprefix("InputError raised while resolving interpolation: ")
    if error.__cause__ is not None:
        text += f" ({one_line(error.__cause__)})"
    return f"{keys[0]}: {text}" if keys and keys[0] else text


def from_config(config: DictConfig) -> Params:
    """Check a composed config and turn it into Params; every variant is checked too."""
    from omegaconf import OmegaConf

    params: Params = _build(schema(), OmegaConf.create(dict(OmegaConf.to_container(config))))  # type: ignore[arg-type]
    for variant in params.variants:
        check_batch_norm(params, variant)
        check_muon(params, variant)
        check_schedule_free(params, variant)
        check_decay(params, variant)
    if params.trainer.name == "lanes":
        for variant in params.grid.variant:
            check_text(params, variant)
    return params


def check_batch_norm(params: Params, variant: str) -> None:
    """Check a variant's settings, and that its batch norm, if it has one, sees two examples."""
    has_norm = params.settings(variant).model.has_batch_norm
    refused = has_norm and variant in params.grid.variant and 1 in params.grid.batch_size
    rule = f"is too small for variant {variant}: batch norm needs two examples for a variance"
    require(not refused, "grid.batch_size", 1, rule)


def check_muon(params: Params, variant: str) -> None:
    """Check that a network of this project's own has hidden matrices where Muon trains it."""
    settings = params.settings(variant)
    name, widths = settings.model.name, settings.model.hidden
    has_none = name in ("linear", "cnn", "resnet", "cifar_resnet") or (name == "mlp" and not widths)
    is_used = settings.optimizer.name == "muon" and variant in params.grid.variant
    rule = f"is for hidden matrices, and {name} has none"
    require(not (is_used and has_none), "optimizer.name", "muon", rule)


def check_schedule_free(params: Params, variant: str) -> None:
    """Check that the rate of a schedule-free optimizer stays after its warm-up."""
    settings = params.settings(variant)
    schedule = settings.schedule
    stays = schedule.name == "constant" or (
        schedule.name == "growth" and schedule.exchange == "sgd"
    )
    is_free = settings.optimizer.name == "schedule_free" and variant in params.grid.variant
    rule = "moves the rate, and optimizer.name=schedule_free needs one that stays: constant"
    require(stays or not is_free, "schedule.name", schedule.name, rule)


def check_decay(params: Params, variant: str) -> None:
    """Check that a decay that is to move with the batch size does."""
    settings = params.settings(variant)
    is_run = variant in params.grid.variant
    moves = BATCH_RULES[settings.schedule.batch_rule] < 1
    base = settings.optimizer.decay_batch_size
    rule = "moves nothing with schedule.batch_rule=linear, which keeps the timescale by itself"
    require(moves or base is None or not is_run, "optimizer.decay_batch_size", base, rule)


def check_text(params: Params, variant: str) -> None:
    """Check that a variant's network and augmentation are for the data, and that tokens are not
    scaled."""
    settings, is_text = params.settings(variant), params.data.source == "text"
    name = settings.model.name
    rule = "cannot read a text: model=transformer can" if is_text else "reads text alone: data=text"
    is_fitting = is_factory(name) or (name == "transformer") == is_text
    require(is_fitting, "model.name", name, rule)
    augmentation, source = settings.augmentation, params.data.source
    is_possible = is_text or not augmentation.shift
    require(is_possible, "augmentation.shift", augmentation.shift, "is for a text")
    is_possible = not augmentation.of_images or source not in WITHOUT_IMAGES
    require(is_possible, "augmentation", source, "has no images to crop, flip or cut out of")
    rule = "is for numbers, and a text has tokens"
    require(not is_text or settings.scaling == "none", "scaling", settings.scaling, rule)


def load_params(path: Path = Path("params.yaml")) -> Params:
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


DERIVED = ("conf_digest", "watched.", "mains.", "waves.")
"""The beginnings of keys that find themselves: nobody chose their values."""
MACHINES = ("impl.", "slurm.")
"""Those of keys that say where and how work is done: no answer hangs on them."""


def flattened(tree: Any, key: str = "") -> dict[str, Any]:
    """A nested mapping's values by dotted key; lists and empty mappings whole."""
    if not isinstance(tree, Mapping) or not tree:
        return {key: tree}
    values: dict[str, Any] = {}
    for name, branch in tree.items():
        values |= flattened(branch, f"{key}.{name}" if key else str(name))
    return values
