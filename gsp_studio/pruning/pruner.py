"""GSPPruner: grouped sparse projection of a PyTorch model while it is trained, in the style of torch.nn.utils.prune.

Induced, then cut: project every k iterations from an epoch on, cut the smallest weights to the share of zeros that is
wanted, keep the zeros and fine-tune the rest. Single-shot: prune a trained model once. Weights are changed in place and
nothing of the model changes its name, so optimizers, autocast, DataParallel and state dicts go on as before.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

import numpy as np
from torch import nn

from gsp_studio.core.vectors import check_target
from gsp_studio.pruning import device, masks
from gsp_studio.pruning.grouping import FIRST, LAST, Group, Grouping, Scope, Values, groups_of
from gsp_studio.pruning.layers import Layer, LeftAlone
from gsp_studio.pruning.methods import smallest_dropped
from gsp_studio.pruning.modules import Place, Selector, inside, places_in, selectors_of
from gsp_studio.pruning.projection import layers_to_zeros
from gsp_studio.pruning.pruner_state import Settings, settings_of, state_of
from gsp_studio.pruning.summary import LayerState, Summary, summary_of
from gsp_studio.pruning.support import Problem

__all__ = ["GSPPruner", "LayerState", "Summary", "ramp"]

_SETTINGS = ("sparsity", "zeros", "every", "start")
#: Target at an epoch.
Schedule = Callable[[float], float]


def ramp(start: float, end: float, first: float = 0.0) -> Schedule:
    """A target that rises from one epoch to another along a cubic (Zhu and Gupta, 2017), as a fraction of the whole.

    Parameters
    ----------
    start, end : float
        Epochs.
    first : float
        Fraction that it begins with.
    """
    if not end > start:
        raise ValueError(f"a ramp ends at epoch {end}; accepted are epochs after its start, {start}")
    return lambda epoch: 1.0 - (1.0 - first) * (1.0 - min(1.0, max(0.0, (epoch - start) / (end - start)))) ** 3


class GSPPruner:
    """Prune a model by grouped sparse projection.

    Parameters
    ----------
    model : nn.Module
        Linear and recurrent layers, convolutions and attention are pruned, in wrappers those of the module inside.
    sparsity : float, optional
        Target average Hoyer sparsity, 0 to 1.
    zeros : float, optional
        Instead, the fraction of weights that shall be zero: each projection finds its own s.
    every : int
        `step` projects at every k-th call.
    start : float
        Epoch from which on `step` projects; if it is not 0, `step` needs the epoch.
    schedule : callable, optional
        Epoch -> fraction of the target that `step` projects to; `ramp` makes one. Default: the whole target.
    group : "layer" | "network" | Grouping
        Each layer a group of its own, or one over the network; a `Grouping` says more: vectors, targets of layers,
        layers that are left out.
    exclude, include : str, type, nn.Module or Parameter, or a sequence of these
        Left as they are, or pruned alone: names of modules or parameters, patterns of these ("encoder.*"), types of
        modules, and modules and parameters themselves.
    while_training : "shrunken" | "kept"
        Values that `step` leaves: those of the projection, as in the paper, or the weights' own on its support.

    Attributes
    ----------
    left_out : tuple of LeftAlone
        Parameters of two or more axes that are not pruned, with the reasons. Those that neither `exclude` nor
        `include` names are told in a warning.

    Raises
    ------
    ValueError
        No target or two of them, values that are not accepted, or no layer to prune.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    >>> pruner = GSPPruner(model, sparsity=0.8, every=10)
    >>> # ... call pruner.step() after every step of the optimizer, then:
    >>> pruner.cut(zeros=0.9).zeros >= 0.9
    True
    >>> # ... fine-tune with any optimizer: zeros stay zero; then:
    >>> done = pruner.finish()  # a plain model, and what became of it

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
        schedule: Schedule | None = None,
        group: Scope | Grouping = "layer",
        exclude: Selector | Sequence[Selector] = (),
        include: Selector | Sequence[Selector] = (),
        while_training: Values = "shrunken",
    ) -> None:
        self._set(settings_of(sparsity, zeros, every, start))
        if schedule is not None and not callable(schedule):
            raise ValueError(f"schedule is {schedule!r:.60}; accepted is a function of the epoch, as ramp makes them")
        self.schedule = schedule
        self.grouping = group if isinstance(group, Grouping) else Grouping(group)
        self._induced = self._while_training(while_training)
        self.iterations = 0
        self._has_projected = self._has_moved = False
        self._reached = 1.0  # fraction of the target at the last projection
        self._models = {id(each): each for each in (model, inside(model))}
        out, wanted = selectors_of(exclude, "exclude"), selectors_of(include, "include")
        ends = tuple(name for name in out if isinstance(name, str) and name in (FIRST, LAST))
        if ends:
            self.grouping = replace(self.grouping, exclude=(*self.grouping.exclude, *ends))
            self._induced = self._while_training(while_training)
        places, left = places_in(model, [name for name in out if not (isinstance(name, str) and name in ends)], wanted)
        self._places = {place.name: place for place in places}
        self.left_out = tuple(left)
        groups_of(self._shapes(), self.grouping)  # raises now for wrong names
        _tell_of(left)

    def _set(self, settings: Settings) -> None:
        self.sparsity, self.zeros = settings.sparsity, settings.zeros
        self.every, self.start = settings.every, settings.start

    @property
    def is_frozen(self) -> bool:
        """Whether zeros are held."""
        return any(self._mask(name) is not None for name in self._places)

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
            raise ValueError(f"start is epoch {self.start:g}, so step needs the epoch: step(epoch)")
        if self.is_frozen or (epoch is not None and epoch < self.start):
            return False
        self.iterations += 1
        if self.iterations % self.every:
            self._has_moved = self._has_projected
            return False
        self._project(self._induced, 1.0 if self.schedule is None else self._fraction(epoch))
        return True

    def _fraction(self, epoch: float | None) -> float:
        if epoch is None or self.schedule is None:
            raise ValueError("a schedule is given, so step needs the epoch: step(epoch)")
        return check_target(self.schedule(epoch), f"the schedule at epoch {epoch}")

    def single_shot(self) -> Summary:
        """Prune all layers now, once.

        Raises
        ------
        ValueError
            NaN among the weights, or frozen masks.
        """
        self._refuse_frozen()
        self._project(self.grouping)
        return self.summary()

    def cut(self, zeros: float, scope: Literal["global", "layer"] = "global") -> Summary:
        """Set the smallest weights to zero, so that a share of them is, and keep the zeros from now on.

        Parameters
        ----------
        zeros : float
            Fraction of zeros, 0 to 1, met to a weight: of equal weights the last go first.
        scope : "global" | "layer"
            Compare weights over all pruned layers, or within each.

        Raises
        ------
        ValueError
            zeros outside [0, 1], another scope, NaN among the weights, or frozen masks.
        """
        share = check_target(zeros, "zeros")
        if scope not in ("global", "layer"):
            raise ValueError(f'scope is "{scope}"; accepted are "global" and "layer"')
        self._refuse_frozen()
        names = self._names()
        layers = [layer for layer in self.layers() if layer.name in names]
        _refuse_nan(layers)
        for together in [layers] if scope == "global" else [[layer] for layer in layers]:
            self._take(smallest_dropped(together, share))
        self._has_moved = False
        self.freeze_masks()
        return self.summary()

    def freeze_masks(self) -> None:
        """Keep the zeros of the pruned layers from now on, whatever updates the weights.

        Where `step` was called since the last projection, which moved zeros, the layers are projected once more first,
        to the same fraction of the target.
        """
        if self._has_moved and not self.is_frozen:
            self._project(self._induced, self._reached)
        names = self._names()
        for name, place in self._places.items():
            if name in names:
                masks.freeze(place.module, place.attribute)
        self._guard()

    def unfreeze(self) -> None:
        """Let the zeros go."""
        for place in self._places.values():
            masks.thaw(place.module, place.attribute)
        self._guard()

    def finish(self) -> Summary:
        """Set held zeros once more and leave a plain model: no hooks, parameters as any others.

        Then compile, script, quantize or export it; nothing holds the zeros any more.
        """
        for name, place in self._places.items():
            mask = self._mask(name)
            if mask is not None:
                mask.hold(place.module)
        self.unfreeze()
        return self.summary()

    def summary(self) -> Summary:
        """Sparsities of the pruned layers."""
        wanted = self._names()
        layers = [layer for layer in self.layers() if layer.name in wanted]
        shapes = {name: tuple(place.weight.shape) for name, place in self._places.items()}
        return summary_of(layers, shapes, self.grouping.vectors, self.is_frozen)

    def state_dict(self) -> dict[str, Any]:
        """State that a run needs to go on, beside those of model and optimizer: settings, counters and masks."""
        held = {name: self._mask(name) for name in self._places}
        return {
            "settings": {
                **{name: getattr(self, name) for name in _SETTINGS},
                "grouping": asdict(self.grouping),
                "while_training": self._induced.values,
            },
            "layers": list(self._places),
            "iterations": self.iterations,
            "has_projected": self._has_projected,
            "has_moved": self._has_moved,
            "reached": self._reached,
            "masks": {name: mask.dropped.cpu().clone() for name, mask in held.items() if mask is not None},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`, with its settings; a schedule is the one that this pruner was made with.

        Raises
        ------
        ValueError
            A state of other layers, or something else; nothing has changed then.
        """
        new = state_of(state, {name: tuple(place.weight.shape) for name, place in self._places.items()})
        if new.settings is not None and new.grouping is not None:
            self._set(new.settings)
            self.grouping = new.grouping
            self._induced = self._while_training(new.while_training)
        self.unfreeze()
        self.iterations = new.iterations
        self._has_projected, self._has_moved, self._reached = new.has_projected, new.has_moved, new.reached
        for name, mask in new.masks.items():
            place = self._places[name]
            masks.attach(place.module, masks.Mask(mask, place.attribute))
        self._guard()

    def layers(self) -> list[Layer]:
        """The layers as they are: views of the weights where these are in the processor's memory, else copies."""
        return [place.layer() for place in self._places.values()]

    def _while_training(self, values: Values) -> Grouping:
        """Grouping of `step`: for a sparsity the projection itself, which leaves every vector a weight."""
        keep_one = self.grouping.keep_one or (self.sparsity is not None and values == "shrunken")
        return replace(self.grouping, values=values, keep_one=keep_one)

    def _names(self) -> set[str]:
        """The layers that are pruned."""
        return {layer.name for group in groups_of(self._shapes(), self.grouping) for layer in group.layers}

    def _shapes(self) -> list[Layer]:
        """The layers without a look at values that live on a device."""
        return [place.layer(is_shape=not device.shares_memory(place.weight)) for place in self._places.values()]

    def _mask(self, name: str) -> masks.Mask | None:
        place = self._places[name]
        return masks.mask_of(place.module, place.attribute)

    def _guard(self) -> None:
        modules = list({id(place.module): place.module for place in self._places.values()}.values())
        for model in self._models.values():
            masks.guard(model, modules)

    def _refuse_frozen(self) -> None:
        if self.is_frozen:
            raise ValueError("the masks are frozen; unfreeze() lets the weights go")

    def _project(self, grouping: Grouping, fraction: float = 1.0) -> None:
        self._has_projected, self._has_moved, self._reached = True, False, fraction
        if self.zeros is not None:
            grouping = replace(grouping, own=tuple((name, fraction * s) for name, s in grouping.own))
            layers = self.layers()
            _refuse_nan(layers)
            self._take(layers_to_zeros(layers, fraction * self.zeros, grouping).weights)
            return
        assert self.sparsity is not None
        for group in groups_of(self._shapes(), grouping):
            target = fraction * (self.sparsity if group.own is None else group.own)
            _project_group([self._places[layer.name] for layer in group.layers], group, target, grouping)

    def _take(self, weights: Mapping[str, Any]) -> None:
        for name, values in weights.items():
            self._places[name].take(values)


def _project_group(places: Sequence[Place], group: Group, target: float, grouping: Grouping) -> None:
    """Project weights where they live, as far as they are the projection's own; else through the host."""
    if grouping.values == "shrunken" and grouping.keep_one and all(place.groups == 1 for place in places):
        axes = [layer.other_axes(group.vectors) for layer in group.layers]
        weights = [place.weight for place in places]
        try:
            if len(weights) == 1:
                device.project_rows(weights[0], target, axes[0])
                return
            if device.project_on_device(weights, axes, target, device.factors_of(weights, axes, grouping)):
                return
        except ValueError:
            _refuse_nan([place.layer() for place in places])
            raise
    layers = tuple(place.layer() for place in places)
    _refuse_nan(layers)
    new = Problem(Group(layers, group.vectors, group.own), grouping).project(target).weights
    for place in places:
        place.take(new[place.name])


def _tell_of(left: Sequence[LeftAlone]) -> None:
    """Warn of parameters that are left out without being named."""
    told = [f"{array.name} ({array.reason})" for array in left if array.reason != "excluded"]
    if told:
        more = f" and {len(told) - 6} more" if len(told) > 6 else ""
        warnings.warn(f"not pruned: {', '.join(told[:6])}{more}; exclude= says so without this", stacklevel=3)


def _refuse_nan(layers: Sequence[Layer]) -> None:
    for layer in layers:
        bad = layer.size - int(np.count_nonzero(np.isfinite(layer.weights)))
        if bad:
            raise ValueError(f"layer {layer.name} holds {bad} NaN or infinite weights; accepted are finite ones")
