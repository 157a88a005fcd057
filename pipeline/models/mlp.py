"""Multilayer perceptron over flattened inputs; without hidden layers it is a linear model."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.models.batch_norm import GhostBatchNorm
from pipeline.models.dropout import Dropout
from pipeline.params.network import Model

ACTIVATION = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


def has_norm(model: Model, layer: int) -> bool:
    """Whether hidden layer ``layer`` is normalised."""
    return model.norm != "none" and (model.norm_layers == "all" or layer in model.norm_layers)


def batch_norm(model: Model, plain: _BatchNorm) -> nn.Module:
    """The batch norm that the model asks for, in place of a plain one."""
    return GhostBatchNorm(plain, model.ghost_size) if model.norm == "ghost" else plain


def mlp(model: Model, inputs: int, outputs: int) -> nn.Sequential:
    """Linear, norm, activation and dropout for each hidden width, then a linear output.

    Takes (batch, ...) with ``inputs`` numbers an example, gives (batch, outputs).
    """
    layers: list[nn.Module] = [nn.Flatten()]
    width = inputs
    for layer, hidden in enumerate(model.hidden):
        normed = has_norm(model, layer)
        layers.append(nn.Linear(width, hidden, bias=not normed))
        if normed:
            layers.append(batch_norm(model, nn.BatchNorm1d(hidden)))
        layers.append(ACTIVATION[model.activation]())
        if model.dropout > 0:
            layers.append(Dropout(model.dropout))
        width = hidden
    return nn.Sequential(*layers, nn.Linear(width, outputs))
