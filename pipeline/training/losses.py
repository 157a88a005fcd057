"""The loss that is minimised, the score that is reported, and when a training has diverged."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.training.dataset import Part

EVALUATION_ROWS = 512
EVALUATION_TOKENS = 8192
DIVERGED_LOSS = 1e3
"""A mean loss beyond this is a divergence: a constant prediction's is about log(classes) or 1."""


def mean_loss(outputs: Tensor, y: Tensor, task: str) -> Tensor:
    """Mean cross entropy (outputs (n, ..., classes), y (n, ...)), or mean squared error (both
    (n, 1))."""
    if task == "regression":
        return functional.mse_loss(outputs, y)
    return functional.cross_entropy(outputs.flatten(0, -2), y.flatten().long())


def elementary_loss(outputs: Tensor, targets: Tensor, task: str) -> Tensor:
    """``mean_loss`` of targets as ``targets_of`` has them, in elementary operations.

    The cross entropy is log sum exp - outputs[label] with the largest output subtracted from
    both: torch's log_softmax over so few numbers takes four times as long on a CPU.
    """
    if task == "regression":
        return (outputs - targets).square().mean()
    shifted = outputs - outputs.detach().amax(-1, keepdim=True)
    if task == "language":  # as many one-hot rows as tokens would not fit
        chosen = shifted.gather(-1, targets[..., None])[..., 0]
    else:
        chosen = (shifted * targets).sum(-1)
    return (shifted.exp().sum(-1).log() - chosen).mean()


def targets_of(y: Tensor, outputs: int, task: str) -> Tensor:
    """Labels (n,) as one-hot float32 rows (n, outputs); tokens as int64; regression targets as
    they are."""
    if task == "classification":
        return (y[..., None] == torch.arange(outputs, device=y.device)).float()
    return y.long() if task == "language" else y


def has_diverged(loss: float) -> bool:
    """Whether a loss is not finite or beyond the bound."""
    return not loss <= DIVERGED_LOSS


def evaluation_rows(part: Part) -> int:
    """How many examples are evaluated at once: of a text fewer, for each predicts many tokens."""
    return max(1, min(EVALUATION_ROWS, EVALUATION_TOKENS // part.burden))


def loss_and_score(
    predict: Callable[[Tensor], Tensor], part: Part, task: str
) -> tuple[float, float]:
    """Mean loss and score (accuracy, of examples or next tokens, or R²) over a part.

    Chunks have a fixed size: the evaluation never knows the training's batch size.
    """
    loss, hits, chunk = 0.0, 0.0, evaluation_rows(part)
    for start in range(0, len(part), chunk):
        rows = slice(start, start + chunk)
        outputs, y = predict(part.x[rows]), part.y[rows]
        loss += mean_loss(outputs, y, task).item() * len(y)
        if task != "regression":
            hits += (outputs.argmax(-1) == y).sum().item()
    if task != "regression":
        return loss / len(part), hits / part.y.numel()
    spread = part.y.double().var(correction=0).item()
    return loss / len(part), 1 - loss / len(part) / spread


def losses_and_scores(
    predict: Callable[[Tensor], Tensor], trainings: int, part: Part, task: str
) -> tuple[Tensor, Tensor]:
    """Mean loss and score of several trainings over a part, both (trainings,) float64 on the CPU.

    predict: inputs (n, ...) to outputs (trainings, n, outputs). The same quantities, in the same
    chunks, as ``loss_and_score``.
    """
    sums = torch.zeros(2, trainings, dtype=torch.float64, device=part.x.device)
    chunk = evaluation_rows(part)
    with torch.no_grad():
        for start in range(0, len(part), chunk):
            rows = slice(start, start + chunk)
            outputs, y = predict(part.x[rows]), part.y[rows]
            if task == "regression":
                sums[0] += (outputs - y).square().sum((1, 2))
            else:
                sums[0] += cross_entropies(outputs, y).flatten(1).sum(1)
                sums[1] += (outputs.argmax(-1) == y).flatten(1).sum(1)
    loss = sums[0].cpu() / part.y.numel()
    if task != "regression":
        return loss, sums[1].cpu() / part.y.numel()
    return loss, 1 - loss / part.y.double().var(correction=0).item()


def cross_entropies(outputs: Tensor, y: Tensor) -> Tensor:
    """(trainings, n, ..., classes) and labels (n, ...) to every cross entropy (trainings, n,
    ...)."""
    labels = y.long().expand(len(outputs), *y.shape)[..., None]
    return outputs.logsumexp(-1) - outputs.gather(-1, labels)[..., 0]


def norm(tensors: list[Tensor]) -> float:
    """The Euclidean norm of all the tensors' entries together, in float64."""
    return torch.stack([tensor.double().square().sum() for tensor in tensors]).sum().sqrt().item()
