"""The ``model`` section: which network is trained."""

from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import require
from pipeline.params.checks import one_of

MODELS = ("linear", "mlp", "cnn", "resnet", "cifar_resnet", "transformer")
ACTIVATIONS = ("relu", "tanh", "gelu")
NORMS = ("none", "batch", "ghost")
PRECISIONS = ("float32", "tf32", "bfloat16")
POSITIONS = ("learned", "rotary")
WITH_BATCH_NORM = ("resnet", "cifar_resnet")
"""Networks that are made with it."""
SIZES = {
    "layers": ("cifar_resnet", "transformer"),
    "width": ("cifar_resnet", "transformer"),
    "heads": ("transformer",),
    "positions": ("transformer",),
    "tied": ("transformer",),
}
"""Keys that some networks have, and which."""


def is_factory(name: str) -> bool:
    """Whether a name reads as ``module.path:function``."""
    module, _, function = name.partition(":")
    return function.isidentifier() and all(part.isidentifier() for part in module.split("."))


@dataclass(frozen=True)
class Model:
    """The network; ``hidden`` are widths, or channels for a cnn.

    ``norm_layers`` is ``all`` or a list of hidden-layer numbers from 0; ``ghost_size`` is how many
    examples a ghost batch norm takes together; a ``module.path:function`` as the name is a user's
    own network, which is given ``options``. precision: of the products while it trains; weights,
    sums of losses and evaluations stay float32.

    Of a transformer: so many ``layers`` with ``heads`` heads of attention each, ``width`` numbers a
    token; positions are ``learned`` or ``rotary``; a ``tied`` head is the embedding itself.
    Of a cifar_resnet: so many ``layers`` that are counted, ``width`` channels of the first.
    """

    name: str = "mlp"
    hidden: list[int] = field(default_factory=list)
    activation: str = "relu"
    norm: str = "none"
    norm_layers: Any = "all"
    ghost_size: int = 32
    dropout: float = 0.0
    precision: str = "float32"
    layers: int = 4
    heads: int = 4
    width: int = 128
    positions: str = "learned"
    tied: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def has_batch_norm(self) -> bool:
        """Whether it takes the examples of a batch together, or of its ghosts."""
        return self.norm != "none" or self.name in WITH_BATCH_NORM

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
        one_of("model.precision", self.precision, PRECISIONS)
        require(
            all(width >= 1 for width in self.hidden),
            "model.hidden",
            list(self.hidden),
            "has a width below 1",
        )
        rule = "is below 2: one example has no variance"
        require(self.ghost_size >= 2, "model.ghost_size", self.ghost_size, rule)
        if self.name in WITH_BATCH_NORM:
            rule = f"is not used by {self.name}, which has batch norm"
            require(self.norm == "none", "model.norm", self.norm, rule)
            require(self.dropout == 0, "model.dropout", self.dropout, f"is not used by {self.name}")
        require(0 <= self.dropout < 1, "model.dropout", self.dropout, "is outside [0, 1)")
        if self.norm_layers != "all":
            self._check_norm_layers()
        self._check_sizes()
        if self.name == "transformer":
            self._check_transformer()
        if self.name == "cifar_resnet":
            rule = "is not 6 n + 2, such as 8 or 20"
            require(self.layers > 2 and self.layers % 6 == 2, "model.layers", self.layers, rule)

    def _check_sizes(self) -> None:
        for name, of in SIZES.items():
            value, default = getattr(self, name), getattr(Model, name)
            require(
                value == default or self.name in of,
                f"model.{name}", value, f"is not used by {self.name}",
            )  # fmt: skip
        for name in ("layers", "heads", "width"):
            require(getattr(self, name) >= 1, f"model.{name}", getattr(self, name), "is below 1")
        one_of("model.positions", self.positions, POSITIONS)

    def _check_transformer(self) -> None:
        rule = "has layer norms: batch norm is for the other networks"
        require(self.norm == "none", "model.norm", self.norm, rule)
        rule = f"is no multiple of model.heads={self.heads}"
        require(self.width % self.heads == 0, "model.width", self.width, rule)
        rule = f"leaves an odd width, {self.width // self.heads}, to turn in pairs"
        is_even = self.positions != "rotary" or self.width // self.heads % 2 == 0
        require(is_even, "model.heads", self.heads, rule)

    def _check_norm_layers(self) -> None:
        known = range(len(self.hidden))
        require(
            isinstance(self.norm_layers, list)
            and all(isinstance(layer, int) and layer in known for layer in self.norm_layers),
            "model.norm_layers",
            self.norm_layers,
            f"is neither 'all' nor a list of hidden layers 0..{len(self.hidden) - 1}",
        )
