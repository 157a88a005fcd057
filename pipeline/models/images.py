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


def cifar_resnet(model: Model, shape: tuple[int, ...], outputs: int) -> nn.Sequential:
    """The residual network for CIFAR (He et al. 2016, section 4.2): a convolution, three stages of
    torchvision's basic blocks, each with twice the channels on images of half the side, the mean
    over what is left, and a linear layer. Where shapes change, the shortcut is a projection.
    """
    from torchvision.models.resnet import BasicBlock, conv1x1, conv3x3

    check_images(model, shape)
    width = model.width
    layers: list[nn.Module] = [conv3x3(shape[0], width), nn.BatchNorm2d(width), nn.ReLU()]
    for wide in (model.width, 2 * model.width, 4 * model.width):
        for _ in range((model.layers - 2) // 6):
            stride, shortcut = 1, None
            if wide != width:
                stride = 2
                shortcut = nn.Sequential(conv1x1(width, wide, stride), nn.BatchNorm2d(wide))
            layers.append(BasicBlock(width, wide, stride, shortcut))
            width = wide
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, outputs))
