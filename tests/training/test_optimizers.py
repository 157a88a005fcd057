"""Optimizers that torch lacks: Muon beside torch's own in bfloat16, schedule-free AdamW beside its
authors', Lion on paper."""

import pytest
import torch
from torch import nn

from pipeline.params.optimizer import Optimizer
from pipeline.training.optimizers import Lion, Muon, ScheduleFree, orthogonalised


@pytest.mark.parametrize("shape", [(8, 8), (24, 6), (5, 40)])
def test_singular_values_come_near_one_and_singular_vectors_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalised(matrix)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6
    assert values.max() < 1.3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.T @ found @ v.T
    assert (inner - inner.diag().diag()).abs().max() < 1e-4


def test_matrices_move_as_torchs_own_does_and_the_rest_as_adamw() -> None:
    generator = torch.Generator().manual_seed(1)
    start = [torch.randn(12, 5, generator=generator), torch.randn(7, generator=generator)]
    ours = [nn.Parameter(tensor.clone()) for tensor in start]
    theirs = [nn.Parameter(tensor.clone()) for tensor in start]
    rule = Optimizer("muon", 0.9, 0.1)
    muon = Muon(ours, ours[:1], rule, 0.01)
    references = [
        torch.optim.Muon(
            theirs[:1], 0.01, weight_decay=0.1, momentum=0.9, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(theirs[1:], 0.01, weight_decay=0.1),
    ]
    for _ in range(4):
        for own, other in zip(ours, theirs, strict=True):
            own.grad = torch.randn(own.shape, generator=generator)
            other.grad = own.grad.clone()
        for optimizer in (muon, *references):
            optimizer.step()
    moved = (theirs[0] - start[0]).norm()
    assert (ours[0] - theirs[0]).norm() < 0.02 * moved  # bfloat16 has eight bits
    torch.testing.assert_close(ours[1], theirs[1])


def test_schedule_free_moves_as_its_authors_does() -> None:
    library = pytest.importorskip("schedulefree", reason="schedulefree is not installed")
    generator = torch.Generator().manual_seed(2)
    start = torch.randn(6, 4, generator=generator)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    rule = Optimizer("schedule_free", weight_decay=0.1, beta1=0.8, beta2=0.9, epsilon=1e-6)
    own = ScheduleFree([ours], 0.03, rule)
    reference = library.AdamWScheduleFree(
        [theirs], 0.03, (0.8, 0.9), 1e-6, weight_decay=0.1, warmup_steps=3
    )
    for step in range(1, 8):
        reference.train()
        own.param_groups[0]["lr"] = 0.03 * min(1, step / 3)
        ours.grad = torch.randn(start.shape, generator=generator)
        theirs.grad = ours.grad.clone()
        own.step()
        reference.step()
        torch.testing.assert_close(ours, theirs)
        reference.eval()
        average = torch.empty_like(start)
        own.average([average])
        torch.testing.assert_close(average, theirs.detach())


def test_lion_on_paper() -> None:
    w = nn.Parameter(torch.tensor([1.0, -2.0]))
    lion = Lion([w], lr=0.1, betas=(0.9, 0.5), weight_decay=0.5)
    w.grad = torch.tensor([3.0, -1.0])
    lion.step()  # the sign of the gradient, and a decay of a twentieth
    assert w.tolist() == pytest.approx([1 - 0.1 - 0.05, -2 + 0.1 + 0.1])
    w.grad = torch.tensor([-100.0, -1.0])
    lion.step()  # m = [1.5, -0.5]: 0.9 * 1.5 - 0.1 * 100 is below 0
    assert w.tolist() == pytest.approx([0.85 + 0.1 - 0.0425, -1.8 + 0.1 + 0.09])
