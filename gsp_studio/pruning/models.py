"""The paper's networks in PyTorch, small enough to read, for images of any number of channels and classes.

The names of their weights are those in wide use (ResNet20 as in public CIFAR-10 checkpoints, ResNet50 as in
torchvision), so that checkpoints can be evaluated: `model_for` recognises a network by its names and shapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gsp_studio.arrays import Array
from gsp_studio.pruning.chain import chain_order

Shape = tuple[int, int, int]


class LeNet300(nn.Module):
    """LeNet-300-100: two hidden layers."""

    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(shape[0] * shape[1] * shape[2], 300)
        self.fc2 = nn.Linear(300, 100)
        self.fc3 = nn.Linear(100, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        x = functional.relu(self.fc1(x.flatten(1)))
        return self.fc3(functional.relu(self.fc2(x)))


class LeNet5(nn.Module):
    """LeNet-5: two convolutions of 5 x 5, padded so that images from 4 x 4 on fit, and three linear layers."""

    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(shape[0], 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5, padding=2)
        self.fc1 = nn.Linear(16 * (shape[1] // 4) * (shape[2] // 4), 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = functional.relu(self.fc1(x.flatten(1)))
        return self.fc3(functional.relu(self.fc2(x)))


class _Block(nn.Module):
    """Two convolutions of 3 x 3 around a shortcut without weights: strided, and filled up with zero channels."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.missing = stride, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        before = self.missing // 2
        short = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.missing - before))
        return functional.relu(y + short)


class ResNet20(nn.Module):
    """ResNet20 for CIFAR-10 (He et al., 2016): three stages of three blocks with 16, 32 and 64 channels."""

    BLOCKS = 3

    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(shape[0], 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(_Block(16, 16, 1) for _ in range(self.BLOCKS)))
        self.layer2 = nn.Sequential(_Block(16, 32, 2), *(_Block(32, 32, 1) for _ in range(self.BLOCKS - 1)))
        self.layer3 = nn.Sequential(_Block(32, 64, 2), *(_Block(64, 64, 1) for _ in range(self.BLOCKS - 1)))
        self.linear = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


class ResNet32(ResNet20):
    """ResNet32: five blocks a stage."""

    BLOCKS = 5


class ResNet44(ResNet20):
    """ResNet44: seven blocks a stage."""

    BLOCKS = 7


class ResNet56(ResNet20):
    """ResNet56: nine blocks a stage."""

    BLOCKS = 9


class ResNet110(ResNet20):
    """ResNet110: eighteen blocks a stage."""

    BLOCKS = 18


class VGG16(nn.Module):
    """VGG16 for small images: thirteen convolutions with batch norms, one linear layer."""

    PLAN = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))

    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs, side = shape[0], min(shape[1:])
        for outputs, repeats in self.PLAN:
            for _ in range(repeats):
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
                inputs = outputs
            if side >= 2:  # images under 32 x 32 are halved less often
                layers.append(nn.MaxPool2d(2))
                side //= 2
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        return self.classifier(self.features(x).mean((2, 3)))


class _Bottleneck(nn.Module):
    """Convolutions of 1 x 1, 3 x 3 and 1 x 1 around a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = None
        if stride != 1 or inputs != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        short = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.relu(self.bn2(self.conv2(x)))
        return functional.relu(self.bn3(self.conv3(x)) + short)


class ResNet50(nn.Module):
    """ResNet50 for ImageNet (He et al., 2016), strided in its convolutions of 3 x 3."""

    PLAN = ((64, 3), (128, 4), (256, 6), (512, 3))

    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(shape[0], 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for stage, (width, repeats) in enumerate(self.PLAN, 1):
            blocks = []
            for k in range(repeats):
                blocks.append(_Bottleneck(inputs, width, 2 if k == 0 and stage > 1 else 1))
                inputs = 4 * width
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in range(1, len(self.PLAN) + 1):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(x.mean((2, 3)))


class Chain(nn.Module):
    """Linear layers with ReLU between them, from the weights and biases of a checkpoint."""

    def __init__(self, names: Sequence[str], state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.names = tuple(names)
        for name in names:
            bias = state.get(_bias_of(name))
            layer = nn.Linear(*reversed(state[name].shape), bias=bias is not None)
            place: nn.Module = self
            *path, last = name.removesuffix(".weight").split(".")
            for step in path:
                if step not in dict(place.named_children()):
                    place.add_module(step, nn.Module())
                place = place.get_submodule(step)
            place.add_module(last, layer)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        x = x.flatten(1)
        for number, name in enumerate(self.names):
            x = self.get_submodule(name.removesuffix(".weight"))(functional.relu(x) if number else x)
        return x


MODELS: dict[str, Callable[[Shape, int], nn.Module]] = {
    "lenet300": LeNet300,
    "lenet5": LeNet5,
    "resnet20": ResNet20,
    "resnet32": ResNet32,
    "resnet44": ResNet44,
    "resnet56": ResNet56,
    "resnet110": ResNet110,
    "vgg16": VGG16,
    "resnet50": ResNet50,
}


def smallest(name: str) -> int:
    """Height and width of the smallest images that a network takes."""
    return {"lenet300": 1, "resnet50": 32}.get(name, 4)


def make_model(name: str, shape: Shape, classes: int, seed: int) -> nn.Module:
    """A network with fresh weights.

    Parameters
    ----------
    name : str
        A key of `MODELS`.
    shape : (channels, height, width)
    classes : int
    seed : int
        Of the weights; the same seed gives the same ones.

    Raises
    ------
    ValueError
        An unknown name, or images that are too small for it.
    """
    if name not in MODELS:
        raise ValueError(f'model "{name}" is not known; accepted are {", ".join(MODELS)}')
    least = smallest(name)
    if min(shape[1:]) < least:
        raise ValueError(f"{name} needs images of at least {least} x {least}; these are {shape[1]} x {shape[2]}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MODELS[name](shape, classes)


def model_for(
    state: Mapping[str, Array], shape: Shape, is_compact: bool = False, is_ordered: bool = True
) -> nn.Module | None:
    """The network that some weights belong to, with these weights; None where it is none that is known.

    Parameters
    ----------
    state : mapping of str to ndarray
        All floating arrays of a checkpoint by name.
    shape : (channels, height, width)
        Of the images that it will see.
    is_compact : bool
        Whether layers may be narrower than the network's.
    is_ordered : bool
        Whether the arrays are in the order of the network; chains of linear layers need it where names do not tell.
    """
    tensors = {name: torch.from_numpy(np.array(values)) for name, values in state.items()}
    layers = [name for name, values in state.items() if values.ndim >= 2]
    if not layers:
        return None
    classes = len(state[layers[-1]])
    for name, make in MODELS.items():
        if min(shape[1:]) < smallest(name):
            continue
        with torch.device("meta"):  # shapes without memory
            expected = make(shape, classes).state_dict()
        floating = {key: value.shape for key, value in expected.items() if value.is_floating_point()}
        if floating == {key: value.shape for key, value in tensors.items()}:
            return _fill(make(shape, classes), tensors)
        if is_compact and floating.keys() == tensors.keys():
            return _narrowed(make(shape, classes), tensors, shape)
    weights = [name for name in layers if re.search(r"weight$", name) and state[name].ndim == 2]
    order = chain_order({name: (state[name].shape[1], state[name].shape[0]) for name in weights}, is_ordered)
    is_chain = order is not None and set(state) <= {*weights, *map(_bias_of, weights)}
    if order is not None and is_chain and state[order[0]].shape[1] == int(np.prod(shape)):
        return _fill(Chain(order, tensors), tensors)
    return None


def _narrowed(model: nn.Module, state: Mapping[str, Tensor], shape: Shape) -> nn.Module | None:
    """The model with layers of the widths that its weights have; None where they do not fit each other."""
    for name, values in state.items():
        path, _, attribute = name.rpartition(".")
        module = model.get_submodule(path)
        if attribute in module._buffers:
            module.register_buffer(attribute, torch.empty_like(values))
        else:
            module.register_parameter(attribute, nn.Parameter(torch.empty_like(values)))
    try:
        with torch.inference_mode():
            return _fill(model, state) if model.eval()(torch.zeros(1, *shape)).ndim == 2 else None
    except RuntimeError:
        return None


def _bias_of(name: str) -> str:
    return f"{name.removesuffix('weight')}bias"


def _fill(model: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    model.load_state_dict(dict(state), strict=False)  # counts of batches are not among floating arrays
    return model.eval()
