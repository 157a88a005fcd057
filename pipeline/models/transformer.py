"""A decoder-only transformer over tokens, pre-norm, as in GPT-2 (Radford et al. 2019) or with
rotary positions (Su et al. 2021)."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.dropout import Dropout
from pipeline.models.mlp import ACTIVATION
from pipeline.params.network import Model

SPREAD = 0.02
"""Standard deviation of the initial weights (Radford et al. 2019)."""
ROTARY_BASE = 10_000.0


class Attention(nn.Module):
    """Causal self-attention of several heads (Vaswani et al. 2017, section 3.2)."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.heads, self.rotary = model.heads, model.positions == "rotary"
        self.in_proj = nn.Linear(model.width, 3 * model.width, bias=False)
        self.out_proj = nn.Linear(model.width, model.width, bias=False)
        self.attend: Callable[[Tensor, Tensor, Tensor], Tensor] = fused

    def forward(self, x: Tensor) -> Tensor:
        """(batch, context, width) to the same shape."""
        batch, context, width = x.shape
        split = self.in_proj(x).view(batch, context, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind()
        if self.rotary:
            query, key = rotated(query), rotated(key)
        mixed = self.attend(query, key, value)
        return self.out_proj(mixed.transpose(1, 2).reshape(batch, context, width))


def fused(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Each value's mean, weighted by the softmax of query . key / sqrt(features) over the positions
    up to its own, by torch's fastest kernel; all (batch, heads, context, features)."""
    return functional.scaled_dot_product_attention(query, key, value, is_causal=True)


def written_out(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The same in elementary operations: torch.func can batch them, and they have second
    derivatives."""
    context, features = query.shape[-2:]
    later = torch.full((context, context), -math.inf, device=query.device).triu(1)
    weights = (query * features**-0.5) @ key.transpose(-2, -1) + later
    return weights.softmax(-1) @ value


def rotated(x: Tensor) -> Tensor:
    """Turn each pair of features by an angle that grows with the position (Su et al. 2021,
    equation 34; the pairs are a feature of either half, as most implementations have them).

    x: (batch, heads, context, features), features even.
    """
    context, half = x.shape[-2], x.shape[-1] // 2
    powers = torch.arange(half, device=x.device, dtype=x.dtype) / half
    places = torch.arange(context, device=x.device, dtype=x.dtype)
    angles = places[:, None] * ROTARY_BASE**-powers
    first, second = x[..., :half], x[..., half:]
    turned = (
        first * angles.cos() - second * angles.sin(),
        first * angles.sin() + second * angles.cos(),
    )
    return torch.cat(turned, -1)


class Block(nn.Module):
    """Attention, then a perceptron of four times the width, each added to its input."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        width = model.width
        self.attention_norm = nn.LayerNorm(width, bias=False)
        self.attention = Attention(model)
        self.mlp_norm = nn.LayerNorm(width, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width, bias=False),
            ACTIVATION[model.activation](),
            nn.Linear(4 * width, width, bias=False),
        )
        self.attention_dropout, self.mlp_dropout = dropout(model), dropout(model)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, context, width) to the same shape."""
        x = x + self.attention_dropout(self.attention(self.attention_norm(x)))
        return x + self.mlp_dropout(self.mlp(self.mlp_norm(x)))


class Transformer(nn.Module):
    """Tokens (batch, context) of any whole-number type to (batch, context, tokens), the logarithms
    of each next token's odds."""

    def __init__(self, model: Model, context: int, tokens: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, model.width)
        if model.positions == "learned":
            self.position = nn.Parameter(torch.empty(context, model.width))
        self.blocks = nn.Sequential(*[Block(model) for _ in range(model.layers)])
        self.norm = nn.LayerNorm(model.width, bias=False)
        self.head = None if model.tied else nn.Linear(model.width, tokens, bias=False)
        self.dropout = dropout(model)
        self.apply(start)
        for name, parameter in self.named_parameters():
            if name == "position":
                nn.init.normal_(parameter, std=SPREAD)
            if name.endswith(("out_proj.weight", "mlp.2.weight")):  # each adds to the same sum
                nn.init.normal_(parameter, std=SPREAD / math.sqrt(2 * model.layers))

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, context) to (batch, context, tokens)."""
        x = self.embedding(tokens.long())
        if hasattr(self, "position"):
            x = x + self.position[: tokens.shape[-1]]
        x = self.norm(self.blocks(self.dropout(x)))
        return functional.linear(x, self.embedding.weight) if self.head is None else self.head(x)


def start(module: nn.Module) -> None:
    """Draw the initial weights of a layer."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=SPREAD)


def dropout(model: Model) -> nn.Module:
    """The network's dropout, nothing where there is none."""
    return Dropout(model.dropout) if model.dropout > 0 else nn.Identity()


def transformer(model: Model, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """The ``model`` section's transformer for windows of ``shape`` (context,)."""
    return Transformer(model, shape[0], outputs)
