"""The transformer, beside one of torch's own layers."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.models.build import build, elementary, matrices
from pipeline.models.transformer import Transformer, rotated
from pipeline.params.network import Model
from pipeline.training.losses import mean_loss

SMALL = Model("transformer", [], "gelu", layers=2, heads=2, width=8)
TOKENS = torch.tensor([[0, 3, 1, 4, 2], [4, 4, 0, 1, 3]], dtype=torch.uint8)
TARGETS = torch.tensor([[3, 1, 4, 2, 0], [4, 0, 1, 3, 2]], dtype=torch.uint8)


def made(model: Model = SMALL) -> Transformer:
    torch.manual_seed(0)
    network = build(model, (5,), 6)
    assert isinstance(network, Transformer)
    for parameter in network.parameters():  # so far from zero that every part counts
        nn.init.normal_(parameter, std=0.5)
    return network


class Plain(nn.Module):
    """The same from torch's own layers."""

    def __init__(self, source: Transformer, model: Model) -> None:
        super().__init__()
        self.source = source
        layer = nn.TransformerEncoderLayer(
            model.width, model.heads, 4 * model.width, 0.0, model.activation, batch_first=True,
            norm_first=True, bias=False,
        )  # fmt: skip
        self.layers = nn.TransformerEncoder(layer, model.layers, enable_nested_tensor=False)
        names = {
            "attention_norm": "norm1", "attention.in_proj": "self_attn.in_proj_",
            "attention.out_proj": "self_attn.out_proj", "mlp_norm": "norm2",
            "mlp.0": "linear1", "mlp.2": "linear2",
        }  # fmt: skip
        for block, theirs in zip(source.blocks, self.layers.layers, strict=True):
            for own, other in names.items():
                name = f"{other}weight" if other.endswith("_") else f"{other}.weight"
                theirs.get_parameter(name).data = block.get_parameter(f"{own}.weight").data

    def forward(self, tokens: Tensor) -> Tensor:
        source = self.source
        x = source.embedding(tokens.long()) + source.position
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        assert source.head is not None
        out: Tensor = source.head(source.norm(self.layers(x, mask=mask, is_causal=True)))
        return out


def test_loss_and_gradients_are_those_of_torchs_layers() -> None:
    own = made()
    plain = Plain(own, SMALL)
    losses = [mean_loss(network(TOKENS), TARGETS, "language") for network in (own, plain)]
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-5)
    losses[0].backward()
    found = {name: p.grad.clone() for name, p in own.named_parameters() if p.grad is not None}
    own.zero_grad()
    losses[1].backward()
    theirs = plain.layers.layers[1].get_parameter("self_attn.in_proj_weight").grad
    torch.testing.assert_close(found["blocks.1.attention.in_proj.weight"], theirs)
    assert own.embedding.weight.grad is not None
    torch.testing.assert_close(found["embedding.weight"], own.embedding.weight.grad)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_written_out_it_is_the_same(positions: str) -> None:
    own = made(replace(SMALL, positions=positions))
    fused = own(TOKENS)
    torch.testing.assert_close(elementary(own)(TOKENS), fused)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_no_token_sees_what_follows(positions: str) -> None:
    own = made(replace(SMALL, positions=positions)).eval()
    other = TOKENS.clone()
    other[:, 3:] = 5
    torch.testing.assert_close(own(TOKENS)[:, :3], own(other)[:, :3])
    assert not torch.allclose(own(TOKENS)[:, 3:], own(other)[:, 3:])


def test_rotation_tells_distances_alone() -> None:
    query, key = torch.randn(2, 1, 1, 1, 8).unbind()
    turned = [rotated(x.expand(1, 1, 9, 8))[0, 0] for x in (query, key)]
    products = turned[0] @ turned[1].T
    for distance in range(-4, 5):
        along = products.diagonal(distance)
        torch.testing.assert_close(along, along[:1].expand_as(along), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(turned[0].norm(dim=-1), query[0, 0].norm(dim=-1).expand(9))


def test_a_tied_head_is_the_embedding() -> None:
    own = made(replace(SMALL, tied=True))
    assert "head.weight" not in dict(own.named_parameters())
    assert own(TOKENS).shape == (2, 5, 6)


def test_hidden_matrices_are_those_between_embedding_and_head() -> None:
    ends = ("in_proj", "out_proj", "mlp.0", "mlp.2")
    inside = {
        f"blocks.{layer}.{'' if end.startswith('mlp') else 'attention.'}{end}.weight"
        for layer in range(2)
        for end in ends
    }
    assert matrices(made()) == inside
    assert matrices(made(replace(SMALL, tied=True))) == inside
    assert matrices(build(Model("mlp", [4, 3]), (5,), 2)) == {"1.weight", "3.weight"}
    with pytest.raises(InputError, match="'muon' is for hidden matrices, and the network has none"):
        matrices(build(Model("linear"), (5,), 2))
