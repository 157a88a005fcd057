"""What everything that is shown of one study has in common: its size, its names, its variants."""

from dataclasses import dataclass

SCORE_NAME = {
    "classification": "accuracy",
    "regression": "R²",
    "language": "next-token accuracy",
    "outside": "score",
}


@dataclass(frozen=True)
class Frame:
    """The number of training examples, what the score is called, the target in words, and the
    variants in the grid's order, of which the first is the one that claims are tested on."""

    examples: int
    score_name: str
    target: str
    variants: tuple[str, ...]

    @property
    def first(self) -> str:
        """The study's first variant."""
        return self.variants[0]

    @property
    def has_variants(self) -> bool:
        """Whether there are several."""
        return len(self.variants) > 1


def metric_name(metric: str, task: str) -> str:
    """What is compared with the target, in a word."""
    return SCORE_NAME[task] if metric == "val_score" else "loss"


def goal(metric: str, target: float, task: str) -> str:
    """The target in words."""
    return f"a validation {metric_name(metric, task)} of {target:.4g}"
