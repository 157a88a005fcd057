"""The ``optimizer`` section: by which rule the weights are updated."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from pipeline.errors import require
from pipeline.params.checks import one_of

OPTIMIZERS = (
    "sgd", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "schedule_free", "lion", "muon",
    "lars", "lamb",
)  # fmt: skip
WITH_MOMENTUM = ("sgd", "nesterov", "rmsprop", "muon", "lars")
ADAMS = ("adam", "adamw")
WITH_BETAS = (*ADAMS, "schedule_free")
WITH_BETA2 = (*WITH_BETAS, "rmsprop", "lion", "muon", "lamb")
USED_BY = {
    "beta1": (*WITH_BETAS, "lion", "muon"),
    "epsilon": (*WITH_BETAS, "rmsprop", "muon"),
    "beta2": WITH_BETA2,
}
MOVING = {
    "momentum_batch_size": WITH_MOMENTUM,
    "beta2_batch_size": (*WITH_BETAS, "rmsprop", "lamb"),
    "noise_batch_size": ADAMS,
    "decay_batch_size": ("adamw", "schedule_free", "lion", "muon"),
    "ema_batch_size": OPTIMIZERS,
}
"""The keys by which values move with the batch size, and whose they are."""


@dataclass(frozen=True)
class Optimizer:
    """The update rule; its rate comes from the grid.

    beta1, beta2, epsilon: of Adam and its kin; beta2 is of LAMB too, and the squares' of RMSprop.
    Lion's betas are those of its step and of its memory. Muon trains hidden matrices with momentum,
    and all else as AdamW. schedule_free is AdamW that averages its weights by itself; beta1 tells
    how much of the average is in the weights that gradients are of. clip_norm: the longest that a
    gradient may be, None for any. ema: how much of an average of the weights stays at a step, 0 for
    none. An average is what is evaluated, kept, branched from and looked at.
    A key that ends with ``batch_size`` says that values are those of this batch size, and move with
    it elsewhere:
    momentum_batch_size: momentum, such that its half-life in examples stays;
    beta2_batch_size: beta2, such that its half-life in examples stays (Marek et al. 2025);
    noise_batch_size: both betas and epsilon, such that with rates by ``schedule.batch_rule=sqrt``
    the path through the noise stays (Malladi et al. 2022, definition 5.1);
    ema_batch_size: ema, such that its half-life in examples stays (Busbridge et al. 2023,
    definition 1.2);
    decay_batch_size: decoupled weight decay, such that the examples over which it averages the
    weights stay (Wang & Aitchison 2024, equation 3): linearly, or with rates by
    ``schedule.batch_rule=sqrt`` by the square root.
    """

    name: str = "sgd"
    momentum: float = 0.0
    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    clip_norm: float | None = None
    momentum_batch_size: int | None = None
    beta2_batch_size: int | None = None
    noise_batch_size: int | None = None
    decay_batch_size: int | None = None
    ema: float = 0.0
    ema_batch_size: int | None = None

    @property
    def averages(self) -> bool:
        """Whether what is evaluated is an average of the weights."""
        return self.ema > 0 or self.name == "schedule_free"

    def at(self, batch_size: int, rate_exponent: float = 0.0) -> Optimizer:
        """The rule with the values of a batch size, whose rates are scaled by this power of it.

        Raises InputError for a batch size so large that it leaves no betas.
        """
        own: dict[str, Any] = dict.fromkeys(MOVING)
        if self.momentum_batch_size is not None:
            own["momentum"] = self.momentum ** (batch_size / self.momentum_batch_size)
        if self.ema_batch_size is not None:
            own["ema"] = self.ema ** (batch_size / self.ema_batch_size)
        if self.beta2_batch_size is not None:
            own["beta2"] = self.beta2 ** (batch_size / self.beta2_batch_size)
        if self.noise_batch_size is not None:
            ratio = batch_size / self.noise_batch_size
            betas = [1 - ratio * (1 - beta) for beta in (self.beta1, self.beta2)]
            rule = f"leaves no betas for batch size {batch_size}"
            require(min(betas) >= 0, "optimizer.noise_batch_size", self.noise_batch_size, rule)
            own["beta1"], own["beta2"] = betas
            own["epsilon"] = self.epsilon / ratio**0.5
        if self.decay_batch_size is not None:
            ratio = batch_size / self.decay_batch_size
            own["weight_decay"] = self.weight_decay * ratio ** (1 - rate_exponent)
        return dataclasses.replace(self, **own)

    def __post_init__(self) -> None:
        one_of("optimizer.name", self.name, OPTIMIZERS)
        for name in ("beta1", "beta2"):
            beta = getattr(self, name)
            require(0 <= beta < 1, f"optimizer.{name}", beta, "is outside [0, 1)")
        require(self.epsilon > 0, "optimizer.epsilon", self.epsilon, "is not above 0")
        for name, of in MOVING.items():
            base = getattr(self, name)
            require(base is None or base >= 1, f"optimizer.{name}", base, "is below 1")
            used = base is None or self.name in of
            require(used, f"optimizer.{name}", base, f"is not used by {self.name}")
        for name, of in USED_BY.items():
            value, default = getattr(self, name), getattr(Optimizer, name)
            used = value == default or self.name in of
            require(used, f"optimizer.{name}", value, f"is not used by {self.name}")
        is_length = self.clip_norm is None or self.clip_norm > 0
        require(is_length, "optimizer.clip_norm", self.clip_norm, "is not above 0")
        both = self.beta2_batch_size is not None and self.noise_batch_size is not None
        rule = "moves beta2, and so does optimizer.noise_batch_size"
        require(not both, "optimizer.beta2_batch_size", self.beta2_batch_size, rule)
        require(0 <= self.ema < 1, "optimizer.ema", self.ema, "is outside [0, 1)")
        is_used = self.ema == 0 or self.name != "schedule_free"
        rule = "is not used by schedule_free, which averages by itself"
        require(is_used, "optimizer.ema", self.ema, rule)
        for moved in ("momentum", "ema", "weight_decay"):
            key = f"{moved.removeprefix('weight_')}_batch_size"
            moves_something = getattr(self, key) is None or getattr(self, moved) > 0
            rule = f"moves nothing: optimizer.{moved} is 0"
            require(moves_something, f"optimizer.{key}", getattr(self, key), rule)
        require(0 <= self.momentum < 1, "optimizer.momentum", self.momentum, "is outside [0, 1)")
        require(
            self.momentum == 0 or self.name in WITH_MOMENTUM,
            "optimizer.momentum",
            self.momentum,
            f"is not used by {self.name}",
        )
        require(
            self.name not in ("nesterov", "muon") or self.momentum > 0,
            "optimizer.momentum",
            self.momentum,
            f"must be above 0 for {self.name}",
        )
        require(self.weight_decay >= 0, "optimizer.weight_decay", self.weight_decay, "is below 0")
