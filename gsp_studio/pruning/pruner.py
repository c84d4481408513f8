"""GSPPruner: grouped sparse projection of a PyTorch model while it is trained, in the style of torch.nn.utils.prune.

Induced GSP projects every k iterations from an epoch on; single-shot GSP projects a trained model once; either way the
zeros are then frozen and the rest is fine-tuned. Weights are projected in place and nothing of the model changes its
name, so optimizers, autocast, DataParallel and state dicts go on as before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gsp_studio.core.projection import group_sparse_projection
from gsp_studio.core.vectors import check_target
from gsp_studio.pruning import device, masks
from gsp_studio.pruning.grouping import Group, Grouping, Scope, groups_of
from gsp_studio.pruning.layers import Layer, average_sparsity
from gsp_studio.pruning.projection import layers_to_zeros, zeros_of

_LINEAR = (nn.Linear,)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True)
class LayerState:
    """Sparsity of a layer: average Hoyer sparsity of its vectors, and the fraction of zeros."""

    name: str
    shape: tuple[int, ...]
    sparsity: float
    zeros: float


@dataclass(frozen=True)
class Summary:
    """Sparsity of a model; as text, a table.

    Attributes
    ----------
    layers : tuple of LayerState
    zeros : float
        Fraction of zeros in all of them together.
    is_frozen : bool
        Whether the zeros are held.
    """

    layers: tuple[LayerState, ...]
    zeros: float
    is_frozen: bool

    def __str__(self) -> str:
        width = max(len(layer.name) for layer in self.layers)
        rows = [
            f"{layer.name:{width}}  {' x '.join(map(str, layer.shape)):>18}  {layer.sparsity:8.4f}  {layer.zeros:7.2%}"
            for layer in self.layers
        ]
        total = f"{self.zeros:.2%} zeros{', frozen' if self.is_frozen else ''}"
        return "\n".join([f"{'layer':{width}}  {'shape':>18}  sparsity    zeros", *rows, total])


class GSPPruner:
    """Prune a model by grouped sparse projection.

    Parameters
    ----------
    model : nn.Module
        Its linear layers and convolutions are pruned; in DataParallel, those of the module inside.
    sparsity : float, optional
        Target average Hoyer sparsity, 0 to 1.
    zeros : float, optional
        Instead, the fraction of weights that shall be zero: each projection finds its own s.
    every : int
        `step` projects at every k-th call.
    start : float
        Epoch from which on `step` projects; if it is not 0, `step` needs the epoch.
    group : "layer" | "network" | Grouping
        Each layer a group of its own, or one over the network; a `Grouping` says more: vectors, targets of layers,
        layers that are left out.

    Raises
    ------
    ValueError
        No target or two of them, values that are not accepted, or no layer to prune.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    >>> pruner = GSPPruner(model, zeros=0.9, group="network")
    >>> round(pruner.single_shot().zeros, 3)
    0.9
    >>> pruner.freeze_masks()  # now fine-tune with any optimizer

    References
    ----------
    Ohib et al., TMLR 2022, section 4.
    """

    def __init__(
        self,
        model: nn.Module,
        sparsity: float | None = None,
        *,
        zeros: float | None = None,
        every: int = 1,
        start: float = 0,
        group: Scope | Grouping = "layer",
    ) -> None:
        if (sparsity is None) == (zeros is None):
            raise ValueError("GSPPruner takes one target: sparsity, or zeros")
        self.sparsity = None if sparsity is None else check_target(sparsity, "sparsity")
        self.zeros = None if zeros is None else check_target(zeros, "zeros")
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValueError(f"every is {every}; accepted is a whole number >= 1")
        self.every, self.start = every, start
        self.grouping = group if isinstance(group, Grouping) else Grouping(group)
        self.iterations = 0
        self._has_projected = self._has_moved = False
        self._modules = _prunable(_inside(model))
        groups_of(self._shapes(), self.grouping)  # raises now for wrong names

    @property
    def is_frozen(self) -> bool:
        """Whether zeros are held."""
        return any(masks.mask_of(module) is not None for module in self._modules.values())

    def step(self, epoch: float | None = None) -> bool:
        """Call after every step of the optimizer: projects at every k-th call from the epoch `start` on.

        Parameters
        ----------
        epoch : float, optional
            The epoch that runs, counted from 0.

        Returns
        -------
        bool
            Whether it has projected. Frozen weights are not projected any more.

        Raises
        ------
        ValueError
            No epoch, where `start` asks for it; NaN among the weights.
        """
        if self.start and epoch is None:
            raise ValueError(f"start is epoch {self.start}, so step needs the epoch: step(epoch)")
        if self.is_frozen or (epoch is not None and epoch < self.start):
            return False
        self.iterations += 1
        if self.iterations % self.every:
            self._has_moved = self._has_projected
            return False
        self._project()
        return True

    def single_shot(self) -> Summary:
        """Project all layers now, once.

        Raises
        ------
        ValueError
            NaN among the weights, or frozen masks.
        """
        if self.is_frozen:
            raise ValueError("the masks are frozen; unfreeze() lets the weights go")
        self._project()
        return self.summary()

    def freeze_masks(self) -> None:
        """Keep the zeros of the pruned layers from now on, whatever updates the weights.

        Where `step` was called since the last projection, which moved zeros, the layers are projected once more first.
        """
        if self._has_moved and not self.is_frozen:
            self._project()
        for name in self._names():
            masks.freeze(self._modules[name])

    def unfreeze(self) -> None:
        """Let the zeros go."""
        for module in self._modules.values():
            masks.thaw(module)

    def summary(self) -> Summary:
        """Sparsities of the pruned layers."""
        wanted, states, zeros, size = self._names(), [], 0, 0
        for layer in self.layers():
            if layer.name in wanted:
                found = zeros_of(layer.weights)
                sparsity = average_sparsity(layer, layer.weights, self.grouping.vectors)
                states.append(LayerState(layer.name, layer.shape, sparsity, found / layer.size))
                zeros, size = zeros + found, size + layer.size
        return Summary(tuple(states), zeros / size, self.is_frozen)

    def state_dict(self) -> dict[str, Any]:
        """State that a run needs to go on, beside those of model and optimizer: numbers and masks."""
        held = {name: masks.mask_of(module) for name, module in self._modules.items()}
        return {
            "iterations": self.iterations,
            "has_projected": self._has_projected,
            "has_moved": self._has_moved,
            "masks": {name: mask.dropped.cpu() for name, mask in held.items() if mask is not None},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`.

        Raises
        ------
        ValueError
            Masks of another model.
        """
        dropped = dict(state["masks"])
        for name, mask in dropped.items():
            if name not in self._modules or mask.shape != self._modules[name].weight.shape:
                raise ValueError(f"the state has a mask for {name} that fits no layer of the model")
        self.unfreeze()
        self.iterations = int(state["iterations"])
        self._has_projected, self._has_moved = bool(state["has_projected"]), bool(state["has_moved"])
        for name, mask in dropped.items():
            masks.attach(self._modules[name], masks.Mask(mask))

    def _names(self) -> set[str]:
        """The layers that are pruned."""
        return {layer.name for group in groups_of(self._shapes(), self.grouping) for layer in group.layers}

    def layers(self) -> list[Layer]:
        """The layers as they are: views of the weights where these are in the processor's memory, else copies."""
        return [_layer(name, module) for name, module in self._modules.items()]

    def _project(self) -> None:
        self._has_projected, self._has_moved = True, False
        if self.zeros is not None:
            self._take(layers_to_zeros(self.layers(), self.zeros, self.grouping).weights)
            return
        groups = groups_of(self._shapes(), self.grouping)
        for group in groups:
            target = self.sparsity if group.own is None else group.own
            assert target is not None
            try:
                self._project_group(group, target)
            except ValueError as error:
                names = ", ".join(layer.name for layer in group.layers[:3])
                raise ValueError(f"{names}{', ...' if len(group.layers) > 3 else ''}: {error}") from error

    def _shapes(self) -> list[Layer]:
        """The layers without a look at values that live on a device."""
        return [
            _layer(name, module, is_shape=not device.shares_memory(module.weight))
            for name, module in self._modules.items()
        ]

    def _project_group(self, group: Group, target: float) -> None:
        if len(group.layers) == 1:
            [layer] = group.layers
            device.project_rows(self._modules[layer.name].weight, target, layer.other_axes(group.vectors))
            return
        weights = [self._modules[layer.name].weight for layer in group.layers]
        if device.project_on_device(weights, [layer.other_axes(group.vectors) for layer in group.layers], target):
            return
        named = {layer.name for layer in group.layers}
        values = tuple(layer for layer in self.layers() if layer.name in named)
        group = Group(values, group.vectors, group.own)
        x = group.pack()
        self._take(group.unpack(group_sparse_projection(x, target, out=x.values).values))

    def _take(self, weights: Mapping[str, Any]) -> None:
        with torch.no_grad():
            for name, values in weights.items():
                self._modules[name].weight.copy_(torch.from_numpy(values))


def _inside(model: nn.Module) -> nn.Module:
    """The model in a wrapper for several devices."""
    while isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        model = model.module
    return model


def _prunable(model: nn.Module) -> dict[str, Any]:
    """The modules whose weights are pruned, by the names of these; a weight that two share counts once."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    for name, module in model.named_modules():
        if not isinstance(module, (*_LINEAR, *_CONVOLUTIONS, *_TRANSPOSED)):
            continue
        weight = module._parameters.get("weight")
        if weight is None or id(weight) in seen:
            continue
        seen.add(id(weight))
        found[f"{name}.weight" if name else "weight"] = module
    if not found:
        raise ValueError("the model has no layer to prune: no linear layer and no convolution with a weight of its own")
    return found


def _layer(name: str, module: Any, is_shape: bool = False) -> Layer:
    weight = module.weight
    # A stand-in of the right shape, without memory, where the values are not looked at.
    view = torch.empty(1).expand(weight.shape).numpy() if is_shape else device.host_view(weight)
    axis = 1 if isinstance(module, _TRANSPOSED) else 0
    kind: Any = "linear" if isinstance(module, _LINEAR) else "convolution"
    return Layer(name, name, kind, view.dtype.name, view, axis, 0.0, 0.0)
