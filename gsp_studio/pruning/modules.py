"""Parameters of a PyTorch model that can be pruned, where they live, and which are left as they are and why.

Linear layers, convolutions of every kind, recurrent layers and attention are pruned: every parameter of theirs that has
two axes or more. Embeddings are pruned only where `include` names them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gsp_studio.pruning import device
from gsp_studio.pruning.grouping import is_named
from gsp_studio.pruning.layers import Layer, LeftAlone

#: A module's name, a parameter's name, a pattern of these, or a type of modules.
Selector = str | type

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_PRUNED = (nn.Linear, nn.Bilinear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED, nn.RNNBase, nn.RNNCellBase)
_ATTENTION = (nn.MultiheadAttention,)
_EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)
_COMPILED = re.compile(r"(^|\.)_orig_mod(?=\.)")
_CURES = {
    "weight_orig": 'pruned by torch.nn.utils.prune; torch.nn.utils.prune.remove(module, "{}") makes it plain again',
    "weight_g": "under torch.nn.utils.weight_norm; remove_weight_norm(module) makes it plain again",
}


@dataclass(eq=False)
class Place:
    """A parameter of a model.

    Attributes
    ----------
    name : str
        In the model, without the names of wrappers.
    module : nn.Module
    attribute : str
        Name of the parameter in its module.
    """

    name: str
    module: nn.Module
    attribute: str

    @property
    def weight(self) -> Any:
        """The parameter as it is now."""
        return getattr(self.module, self.attribute)

    @property
    def groups(self) -> int:
        """Groups of inputs that lie along the first axis: those of a transposed convolution."""
        return int(self.module.groups) if isinstance(self.module, _TRANSPOSED) else 1

    def split(self, weight: Tensor) -> Tensor:
        """The weight with an axis that counts groups, where they share neither inputs nor outputs."""
        return weight.unflatten(0, (self.groups, -1)) if self.groups > 1 else weight

    def layer(self, is_shape: bool = False) -> Layer:
        """The parameter as a layer.

        Parameters
        ----------
        is_shape : bool
            Whether a stand-in without memory is enough, where the values are not looked at.
        """
        weight = self.split(self.weight.detach())
        view = torch.empty(1).expand(weight.shape).numpy() if is_shape else device.host_view(weight)
        axis = 0
        if isinstance(self.module, _TRANSPOSED):
            axis = 1 if self.groups == 1 else 2
        is_linear = self.weight.ndim == 2
        dtype = str(self.weight.dtype).removeprefix("torch.")
        group_axis = 0 if self.groups > 1 else None
        return Layer(
            self.name, self.name, "linear" if is_linear else "convolution", dtype, view, axis, 0.0, 0.0,
            group_axis=group_axis,
        )  # fmt: skip

    def take(self, values: Any) -> None:
        """Set the weight to an array of the shape of `layer`."""
        with torch.no_grad():
            self.weight.copy_(torch.from_numpy(values).reshape(self.weight.shape))


def inside(model: nn.Module) -> nn.Module:
    """The model in wrappers: for several devices, and of torch.compile."""
    while True:
        if isinstance(model, _WRAPPERS):
            model = model.module
        elif isinstance(getattr(model, "_orig_mod", None), nn.Module):
            model = model._orig_mod
        else:
            return model


def places_in(
    model: nn.Module, exclude: Sequence[Selector] = (), include: Sequence[Selector] = ()
) -> tuple[list[Place], list[LeftAlone]]:
    """The parameters that are pruned, and those of two or more axes that are not.

    Parameters
    ----------
    model : nn.Module
    exclude : sequence of str or type
        Modules or parameters that are left as they are.
    include : sequence of str or type
        Where given, these alone are pruned; it may name embeddings and parameters of modules of other types.

    Returns
    -------
    places : list of Place
    left : list of LeftAlone
        With reasons; those that `exclude` or `include` leave out have the reason "excluded".

    Raises
    ------
    ValueError
        Nothing to prune, a lazy layer, or a name that is none of the model's.
    """
    model = inside(model)
    found: list[Place] = []
    left: list[LeftAlone] = []
    seen: dict[int, str] = {}
    tied = _tied(model)
    used: set[int] = set()
    for path, module, attribute, weight in _parameters(model):
        name = f"{path}.{attribute}" if path else attribute
        if isinstance(weight, nn.parameter.UninitializedParameter):
            raise ValueError(
                f"layer {name} is lazy and has no shape yet; run the model on a batch once before pruning it"
            )
        if weight.ndim < 2:
            continue
        if id(weight) in seen:
            continue
        chosen = _matching(exclude, name, path, module, used)
        wanted = _matching(include, name, path, module, used)
        reason = ""
        if chosen or (include and not wanted):
            reason = "excluded"
        elif not include or not wanted:
            reason = _reason(module, attribute, weight, tied.get(id(weight), ()))
        elif not weight.is_floating_point():
            reason = "no floating values"
        seen[id(weight)] = name
        if reason:
            left.append(LeftAlone(name, tuple(weight.shape), str(weight.dtype).removeprefix("torch."), reason))
        else:
            found.append(Place(name, module, attribute))
    for selector in (*exclude, *include):
        if id(selector) not in used and not (isinstance(selector, str) and selector in ("first", "last")):
            told = selector if isinstance(selector, str) else getattr(selector, "__name__", str(selector))
            known = ", ".join(list(seen.values())[:6]) + (", ..." if len(seen) > 6 else "")
            raise ValueError(f'no layer is called "{told}", nor of that type; the layers are {known}')
    if not found:
        told = "; ".join(f"{array.name} is {array.reason}" for array in left[:3])
        raise ValueError(
            "the model has no layer to prune" + (f": {told}" if told else ": no weight of two or more axes")
        )
    return found, left


def _parameters(model: nn.Module) -> Iterator[tuple[str, nn.Module, str, Any]]:
    for path, module in model.named_modules(remove_duplicate=False):
        for attribute, weight in module._parameters.items():
            if weight is not None:
                yield _COMPILED.sub("", path).removesuffix("._orig_mod").removeprefix("."), module, attribute, weight


def _tied(model: nn.Module) -> dict[int, tuple[nn.Module, ...]]:
    """The modules that hold each parameter, by its identity."""
    held: dict[int, list[nn.Module]] = {}
    for module in model.modules():
        for weight in module._parameters.values():
            if weight is not None:
                held.setdefault(id(weight), []).append(module)
    return {key: tuple(modules) for key, modules in held.items()}


def _matching(selectors: Iterable[Selector], name: str, path: str, module: nn.Module, used: set[int]) -> bool:
    is_chosen = False
    for selector in selectors:
        fits = is_named(name, selector) if isinstance(selector, str) else isinstance(module, selector)
        if fits or (isinstance(selector, str) and selector == path == ""):
            used.add(id(selector))
            is_chosen = True
    return is_chosen


def _reason(module: nn.Module, attribute: str, weight: Tensor, holders: tuple[nn.Module, ...]) -> str:
    """Reason why a parameter is left as it is; "" for one that is pruned."""
    base = attribute.removesuffix("_orig")
    if attribute in _CURES or (attribute.endswith("_orig") and hasattr(module, f"{base}_mask")):
        return _CURES.get("weight_orig" if attribute.endswith("_orig") else attribute, "").format(base)
    if type(module).__name__ == "ParametrizationList":
        return "under torch.nn.utils.parametrize; remove_parametrizations makes it plain again"
    if not weight.is_floating_point():
        return "no floating values"
    if any(isinstance(holder, _EMBEDDINGS) for holder in holders):
        return "tied to an embedding" if len(holders) > 1 else "an embedding"
    if isinstance(module, _ATTENTION):
        return "" if attribute.endswith("proj_weight") else "a bias"
    if not isinstance(module, _PRUNED):
        return f"of a module of type {type(module).__name__}"
    if weight.numel() // weight.shape[1 if isinstance(module, _TRANSPOSED) else 0] < 2:
        return "vectors of fewer than two weights"
    return ""
