"""Networks for images, (batch, channels, height, width) to (batch, outputs)."""

from torch import nn

from pipeline.errors import require
from pipeline.models.dropout import Dropout
from pipeline.models.mlp import ACTIVATION, batch_norm, has_norm
from pipeline.params.network import Model


def check_images(model: Model, shape: tuple[int, ...]) -> None:
    """Refuse inputs that are no images."""
    rule = f"needs images (channels, height, width), and the inputs have shape {shape}"
    require(len(shape) == 3, "model.name", model.name, rule)


def cnn(model: Model, shape: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Convolution, norm, activation and pooling for each width of ``hidden``, then linear.

    A pooling halves the image as long as two pixels are left.
    """
    check_images(model, shape)
    channels, height, width = shape
    layers: list[nn.Module] = []
    for layer, wide in enumerate(model.hidden):
        normed = has_norm(model, layer)
        layers.append(nn.Conv2d(channels, wide, 3, padding=1, bias=not normed))
        if normed:
            layers.append(batch_norm(model, nn.BatchNorm2d(wide)))
        layers.append(ACTIVATION[model.activation]())
        if min(height, width) >= 2:
            layers.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        channels = wide
    if model.dropout > 0:
        layers.append(Dropout(model.dropout))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * height * width, outputs))


def resnet(model: Model, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """torchvision's ResNet-18 with the usual stem for small images: 3 x 3, nothing pooled."""
    from torchvision.models import resnet18

    check_images(model, shape)
    network: nn.Module = resnet18(num_classes=outputs)
    network.conv1 = nn.Conv2d(shape[0], 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    return network
