"""Whether settings fit the data and the device: asked before anything trains."""

import torch

from pipeline.errors import require
from pipeline.params.settings import Settings
from pipeline.training import seeds
from pipeline.training.dataset import Dataset


def check(settings: Settings, data: Dataset) -> None:
    """Refuse an augmentation of other data, a precision that the device lacks, and a network that
    maps examples to something else than their targets need.

    Raises InputError.
    """
    settings.augmentation.check(data.task, data.shape)
    check_precision(settings.model.precision, data.train.x.device)
    check_network(settings, data)


def check_precision(precision: str, where: torch.device) -> None:
    """A CPU computes bfloat16 in any case, if slowly."""
    if precision == "tf32":
        has_it = where.type == "cuda" and torch.cuda.get_device_capability(where) >= (8, 0)
        rule = "needs a CUDA GPU of compute capability 8.0 or more in this machine"
        require(has_it, "model.precision", precision, rule)
    if precision == "bfloat16" and where.type == "cuda":
        has_it = torch.cuda.is_bf16_supported(including_emulation=False)
        rule = f"is not what {torch.cuda.get_device_name(where)} computes in"
        require(has_it, "model.precision", precision, rule)


def check_network(settings: Settings, data: Dataset) -> None:
    """One for texts may be given numbers, or the other way round."""
    device = data.train.x.device
    model = seeds.initial_model(settings.model, data.shape, data.outputs, settings.seed, 0)
    of_each = data.train.y.shape[1:] if data.task == "language" else ()
    asked = (2, *of_each, data.outputs)
    try:
        with torch.no_grad():
            made = str(tuple(model.to(device).eval()(data.train.x[:2]).shape))
    except Exception as error:  # whatever a user's own code raises
        made = f"{type(error).__name__}: {error}"
    rule = f"maps two examples to {made}, and their targets need {asked}"
    require(made == str(asked), "model.name", settings.model.name, rule)
