"""Parameters of a PyTorch model that can be pruned, where they live, and which are left as they are and why.

Linear layers, convolutions of every kind, recurrent layers and attention are pruned: every parameter of theirs that has
two axes or more. Embeddings are pruned only where `include` names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from gsp_studio.pruning import device
from gsp_studio.pruning.formats.array_names import reason_by_tool, without_wrappers
from gsp_studio.pruning.grouping import is_named
from gsp_studio.pruning.layers import Layer, LeftAlone

#: A module's or a parameter's name, a pattern of these, a type of modules, or a module or a parameter itself.
Selector: TypeAlias = str | type | nn.Module | Tensor

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_PRUNED = (nn.Linear, nn.Bilinear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED, nn.RNNBase, nn.RNNCellBase)
_ATTENTION = (nn.MultiheadAttention,)
_EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)


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
    if not isinstance(model, nn.Module):
        raise ValueError(f"the model is of type {type(model).__name__}; accepted is a torch.nn.Module")
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
    exclude : sequence of str, type, nn.Module or Parameter
        Modules or parameters that are left as they are, by any of their names.
    include : as exclude
        Where given, these alone are pruned; it may name embeddings and parameters of modules of other types.

    Returns
    -------
    places : list of Place
    left : list of LeftAlone
        With reasons; those that `exclude` or `include` leave out have the reason "excluded".

    Raises
    ------
    ValueError
        Nothing to prune, a scripted model, a lazy layer, or a name that is none of the model's.
    """
    model = inside(model)
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise ValueError("the model is scripted; accepted is a torch.nn.Module: prune it before torch.jit.script")
    found: list[Place] = []
    left: list[LeftAlone] = []
    known: list[str] = []
    used: set[int] = set()
    for held in _held(model):
        name, module, attribute, weight = held[0]
        if isinstance(weight, nn.parameter.UninitializedParameter):
            raise ValueError(
                f"layer {name} is lazy and has no shape yet; run the model on a batch once before pruning it"
            )
        is_out = _matching(exclude, held, used)  # also of biases and norms, which are left as they are anyway
        if weight.ndim < 2:
            continue
        if weight.is_meta:
            raise ValueError(f"layer {name} is on the device meta, without values; give it some before pruning it")
        is_in = _matching(include, held, used)
        reason = ""
        if is_out or (include and not is_in):
            reason = "excluded"
        elif not include or not is_in:
            reason = _reason(held[0], [other for _, other, _, _ in held])
        else:
            reason = _reason_by_values(weight)
        known.append(name)
        if reason:
            left.append(LeftAlone(name, tuple(weight.shape), str(weight.dtype).removeprefix("torch."), reason))
        else:
            found.append(Place(name, module, attribute))
    for selector in (*exclude, *include):
        if id(selector) not in used and not (isinstance(selector, str) and selector in ("first", "last")):
            listed = ", ".join(known[:6]) + (", ..." if len(known) > 6 else "")
            raise ValueError(f'no layer is called "{_told(selector)}", nor of that type; the layers are {listed}')
    if not found:
        told = "; ".join(f"{array.name} is {array.reason}" for array in left[:3])
        raise ValueError(
            "the model has no layer to prune" + (f": {told}" if told else ": no weight of two or more axes")
        )
    return found, left


def selectors_of(given: Selector | Iterable[Selector], what: str) -> list[Selector]:
    """Selectors as a list; a single one may come alone.

    Raises
    ------
    ValueError
        Something that selects nothing.
    """
    if not isinstance(given, (str, type, nn.Module, Tensor, Iterable)):
        raise ValueError(f"{what} is {given!r:.60}; accepted are names, patterns, types, modules and parameters")
    listed: list[Any] = [given] if isinstance(given, (str, type, nn.Module, Tensor)) else list(given)
    for each in listed:
        if not isinstance(each, (str, type, nn.Module, Tensor)):
            raise ValueError(f"{what} holds {each!r}; accepted are names, patterns, types, modules and parameters")
    return listed


def _told(selector: Selector) -> str:
    if isinstance(selector, str):
        return selector
    return str(getattr(selector, "__name__", type(selector).__name__))


#: A parameter as a module holds it: name, module, attribute, parameter.
_Held = tuple[str, nn.Module, str, Any]


def _held(model: nn.Module) -> list[list[_Held]]:
    """The parameters of a model, each with all its names: tied ones, and those of modules in several places."""
    found: dict[int, list[_Held]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        for attribute, weight in module._parameters.items():
            if weight is not None:
                name = without_wrappers(f"{path}.{attribute}" if path else attribute)
                found.setdefault(id(weight), []).append((name, module, attribute, weight))
    return list(found.values())


def _matching(selectors: Iterable[Selector], held: Sequence[_Held], used: set[int]) -> bool:
    is_chosen = False
    for selector in selectors:
        if any(_fits(selector, *each) for each in held):
            used.add(id(selector))
            is_chosen = True
    return is_chosen


def _fits(selector: Selector, name: str, module: nn.Module, attribute: str, weight: Any) -> bool:
    if isinstance(selector, str):
        return is_named(name, selector) or (selector == "" and name == attribute)
    if isinstance(selector, type):
        return isinstance(module, selector)
    if isinstance(selector, Tensor):
        return weight is selector
    return any(module is inner for inner in selector.modules())


def _reason(held: _Held, holders: Sequence[nn.Module]) -> str:
    """Reason why a parameter is left as it is; "" for one that is pruned."""
    name, module, attribute, weight = held
    path = name.removesuffix(attribute)
    by_tool = reason_by_tool(name, {f"{path}{other}" for other in (*module._parameters, *module._buffers)})
    if by_tool:
        return by_tool
    by_values = _reason_by_values(weight)
    if by_values:
        return by_values
    if any(isinstance(holder, _EMBEDDINGS) for holder in holders):
        return "tied to an embedding" if len({id(holder) for holder in holders}) > 1 else "an embedding"
    if isinstance(module, _ATTENTION):
        return "" if attribute.endswith("proj_weight") else "a bias"
    if not isinstance(module, _PRUNED):
        return f"of a module of type {type(module).__name__}"
    if weight.numel() // weight.shape[1 if isinstance(module, _TRANSPOSED) else 0] < 2:
        return "vectors of fewer than two weights"
    return ""


def _reason_by_values(weight: Any) -> str:
    """Reason why the values of a parameter cannot be pruned; "" for others."""
    if not weight.is_floating_point():
        return "no floating values"
    if weight.dtype.itemsize < 2:
        return f"of type {str(weight.dtype).removeprefix('torch.')}, which is not computed with"
    if weight.layout != torch.strided:
        return "of a sparse layout"
    if weight.numel() == 0:
        return "without weights"
    if any(side > 1 and step == 0 for side, step in zip(weight.shape, weight.stride(), strict=True)):
        return "expanded: some of its weights are one in memory"
    return ""
