"""What `GSPPruner` is given, checked in one place: its settings as arguments, and the state of a run that goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gsp_studio.core.vectors import check_target
from gsp_studio.pruning.arguments import epoch_number, whole_number
from gsp_studio.pruning.grouping import Grouping


@dataclass(frozen=True)
class Settings:
    """Settings of a pruner as it keeps them; the parameters are those of `GSPPruner`."""

    sparsity: float | None
    zeros: float | None
    every: int
    start: float


def settings_of(sparsity: Any, zeros: Any, every: Any, start: Any) -> Settings:
    """Settings of a pruner as they are accepted.

    Raises
    ------
    ValueError
    """
    if (sparsity is None) == (zeros is None):
        raise ValueError("GSPPruner takes one target: sparsity, or zeros")
    return Settings(
        None if sparsity is None else check_target(sparsity, "sparsity"),
        None if zeros is None else check_target(zeros, "zeros"),
        whole_number(every, "every"),
        epoch_number(start, "start"),
    )


@dataclass(frozen=True, eq=False)
class State:
    """State of a pruner, of `GSPPruner.state_dict`; the last three are None where it has no settings."""

    masks: dict[str, Tensor]
    iterations: int
    has_projected: bool
    has_moved: bool
    reached: float
    settings: Settings | None = None
    grouping: Grouping | None = None
    while_training: Any = None


def state_of(given: Any, shapes: Mapping[str, tuple[int, ...]]) -> State:
    """The state of a pruner from what was saved.

    Parameters
    ----------
    given : mapping
        Of `GSPPruner.state_dict`.
    shapes : mapping of str to tuple of int
        Of the layers' weights by name.

    Raises
    ------
    ValueError
        Something else, or a state of other layers.
    """
    held = _mapping(given, "the state")
    layers = held.get("layers")
    if layers is not None and not (isinstance(layers, list | tuple) and all(isinstance(one, str) for one in layers)):
        raise ValueError('the entry "layers" of the state names no layers; accepted is what GSPPruner.state_dict gives')
    if layers is not None and set(layers) != set(shapes):
        missing, more = sorted(set(layers) - set(shapes)), sorted(set(shapes) - set(layers))
        told = f"{missing[0]} is not" if missing else f"{more[0]} is, and was not"
        raise ValueError(f"the state is of other layers: {told} among those of this pruner; exclude alike")
    masks = {}
    for name, mask in _mapping(held.get("masks"), 'the entry "masks" of the state').items():
        if name not in shapes or not isinstance(mask, Tensor) or mask.shape != shapes[name]:
            raise ValueError(f"the state has a mask for {name} that fits no layer of the model")
        masks[name] = mask.bool()
    counters: dict[str, Any] = {
        "iterations": whole_number(held.get("iterations"), 'the entry "iterations" of the state', 0),
        "has_projected": bool(held.get("has_projected", False)),
        "has_moved": bool(held.get("has_moved", False)),
        "reached": check_target(held.get("reached", 1.0), 'the entry "reached" of the state'),
    }
    if held.get("settings") is None:
        return State(masks, **counters)
    saved = _mapping(held["settings"], 'the entry "settings" of the state')
    settings = settings_of(*(saved.get(name) for name in ("sparsity", "zeros", "every", "start")))
    parts = _mapping(saved.get("grouping"), 'the entry "grouping" of the settings')
    try:
        own = tuple((str(name), s) for name, s in parts.get("own", ()))
        exclude = tuple(str(name) for name in parts.get("exclude", ()))
        grouping = Grouping(**{**parts, "own": own, "exclude": exclude})
        values: Any = saved.get("while_training")
        Grouping(values=values)  # raises now for others
    except TypeError as error:
        raise ValueError(f"the grouping of the state is none ({error}); accepted is one of state_dict") from error
    return State(masks, **counters, settings=settings, grouping=grouping, while_training=saved.get("while_training"))


def _mapping(given: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise ValueError(f"{what} is of type {type(given).__name__}; accepted is what GSPPruner.state_dict gives")
    return given
