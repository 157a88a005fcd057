"""Settings whose network has a known size."""

from pipeline.params.network import Model
from pipeline.params.optimizer import Optimizer
from pipeline.params.settings import Settings


def wide(width: int) -> Settings:
    """One hidden layer, trained by Adam."""
    return Settings(model=Model("mlp", [width]), optimizer=Optimizer("adam"), lr=(0.1,))
