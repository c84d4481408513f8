"""Zeros that stay zero, whatever updates the weights: in place, so that a model's state dict keeps its keys.

A mask is applied at five doors: to gradients as they arrive, to weights after any step of an optimizer of PyTorch,
before every forward pass of its module and of the model, after every `load_state_dict`, and before every `state_dict`.
Momentum and weight decay so have nothing to move. Passes look at the weight's version first: where nothing has written
since the last time, they cost nothing. Writes to a weight through ``.data`` have no version: the next step of the
optimizer, `state_dict`, `load_state_dict` and `finish` put these zeros back.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor, nn

#: Where a parameter carries its mask: true where it has to be zero.
_MARK = "_gsp_dropped"
#: Where it carries the place and version that it was last left with.
_SEEN = "_gsp_seen"


class Mask:
    """Holds a parameter of a module at zero where it is dropped; a hook that is copied and pickled with its module.

    Parameters
    ----------
    dropped : Tensor of bool
        Of the weight's shape; true where it has to be zero.
    attribute : str
        Name of the parameter in its module.
    """

    def __init__(self, dropped: Tensor, attribute: str = "weight") -> None:
        self.dropped, self.attribute = dropped, attribute
        self.is_called = False  # by its module, which then needs no guard
        self._own: weakref.ref[Tensor] | None = None  # the parameter that is held

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_own": None}  # a copy holds the parameter of its own module

    def __call__(self, module: nn.Module, *_: Any) -> None:
        """Before a forward pass: nothing where the weight is as it was left."""
        if torch.compiler.is_compiling():  # a graph holds nothing; the guard of the model around it does
            return
        self.is_called = True
        self.check(module)

    def check(self, module: nn.Module) -> None:
        """Set dropped weights to zero where something has written."""
        weight = module._parameters.get(self.attribute)
        own = None if self._own is None else self._own()
        if weight is not None and own is not None and weight is not own:
            return  # tensors of the caller, for one pass: of torch.func.functional_call
        seen = None if weight is None else weight.__dict__.get(_SEEN)
        if weight is None or seen is None or seen != _state_of(weight):
            self.hold(module)

    def hold(self, module: nn.Module) -> None:
        """Set dropped weights to zero, whether or not anything is known to have written."""
        weight = getattr(module, self.attribute)
        if getattr(module, "_is_replica", False):  # of DataParallel: a copy on another device, for one pass
            _drop(weight, self.dropped.to(weight.device))
            return
        if not isinstance(weight, nn.Parameter):  # made of others in each pass, or given for one
            return
        if self._own is None or self._own() is not weight:
            self._own = weakref.ref(weight)
        if self.dropped.device != weight.device:
            self.dropped = self.dropped.to(weight.device)
        if getattr(weight, _MARK, None) is not self.dropped:  # moved, or a copy of the module
            self._mark(weight)
        _drop(weight, self.dropped)
        setattr(weight, _SEEN, _state_of(weight))

    def _mark(self, weight: nn.Parameter) -> None:
        is_new = getattr(weight, _MARK, None) is None
        setattr(weight, _MARK, self.dropped)
        if is_new and weight.requires_grad:
            weight.register_post_accumulate_grad_hook(_drop_gradient)
        _watch_optimizers()


class _Saving:
    """Before a state dict of the module, and after one is loaded."""

    def __init__(self, mask: Mask) -> None:
        self.mask = mask

    def __call__(self, module: nn.Module, *_: Any) -> None:
        self.mask.hold(module)


class _Guard:
    """Before a pass of the whole model: for parameters that are used without a call of their module."""

    def __init__(self, held: list[tuple[nn.Module, Mask]]) -> None:
        self.held = held

    def __call__(self, module: nn.Module, *_: Any) -> None:
        if torch.compiler.is_compiling():
            return
        for inner, mask in self.held:
            mask.check(inner)
        self.held = [(inner, mask) for inner, mask in self.held if not mask.is_called]


def freeze(module: nn.Module, attribute: str = "weight") -> Mask:
    """Keep the zeros of a module's parameter from now on; a mask that it has is replaced."""
    mask = Mask(getattr(module, attribute).detach() == 0, attribute)
    attach(module, mask)
    return mask


def attach(module: nn.Module, mask: Mask) -> None:
    """Let a mask hold a module's parameter."""
    thaw(module, mask.attribute)
    saving = _Saving(mask)
    module.register_forward_pre_hook(mask)
    module.register_state_dict_pre_hook(saving)
    module.register_load_state_dict_post_hook(saving)
    mask.hold(module)


def guard(model: nn.Module, modules: list[nn.Module]) -> None:
    """Hold all masks of a model before its passes, whichever modules these call; none lets it go."""
    _remove(model._forward_pre_hooks, lambda hook: isinstance(hook, _Guard))
    held = [(module, mask) for module in modules for mask in masks_of(module)]
    if held:
        model.register_forward_pre_hook(_Guard(held))


def thaw(module: nn.Module, attribute: str = "weight") -> None:
    """Let a module's parameter go."""

    def is_ours(hook: Any) -> bool:
        mask = hook.mask if isinstance(hook, _Saving) else hook
        return isinstance(mask, Mask) and mask.attribute == attribute

    for hooks in (module._forward_pre_hooks, module._state_dict_pre_hooks, module._load_state_dict_post_hooks):
        _remove(hooks, is_ours)
    weight = getattr(module, attribute)
    if hasattr(weight, _SEEN):
        delattr(weight, _SEEN)
    if hasattr(weight, _MARK):
        delattr(weight, _MARK)
        _remove(weight._post_accumulate_grad_hooks or {}, lambda hook: hook is _drop_gradient)


def masks_of(module: nn.Module) -> list[Mask]:
    """The masks that hold parameters of a module."""
    return [hook for hook in module._forward_pre_hooks.values() if isinstance(hook, Mask)]


def mask_of(module: nn.Module, attribute: str = "weight") -> Mask | None:
    """The mask that holds a module's parameter."""
    return next((mask for mask in masks_of(module) if mask.attribute == attribute), None)


def _remove(hooks: Any, is_ours: Any) -> None:
    for key in [key for key, hook in hooks.items() if is_ours(hook)]:
        del hooks[key]


_KEPT = "_gsp_kept"
_WORDS = {
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
    torch.float32: torch.int32,
    torch.float64: torch.int64,
}


def _state_of(weight: Tensor) -> tuple[int, int] | None:
    """Place and version of a tensor; None where it has no version, as inference tensors."""
    try:
        return weight.data_ptr(), weight._version
    except RuntimeError:
        return None


def _drop(values: Tensor, dropped: Tensor) -> None:
    """Set dropped weights to zero, bit by bit: a product would keep NaN, and filling is ten times slower."""
    with torch.no_grad():
        word = _WORDS.get(values.dtype)
        if word is None or values.layout != torch.strided:
            values.masked_fill_(dropped, 0)
            return
        kept = dropped.__dict__.get(_KEPT)
        if kept is None or kept.dtype != word:
            kept = dropped.logical_not().to(word).neg_()  # all bits, or none
            setattr(dropped, _KEPT, kept)
        values.view(word).bitwise_and_(kept)


def _drop_gradient(weight: Tensor) -> None:
    dropped = getattr(weight, _MARK, None)
    if dropped is not None and weight.grad is not None and dropped.device == weight.grad.device:
        _drop(weight.grad, dropped)


def _after_step(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    for group in optimizer.param_groups:
        for weight in group["params"]:
            dropped = getattr(weight, _MARK, None)
            if dropped is not None and dropped.device == weight.device:
                _drop(weight, dropped)  # always: no version tells of gradients that were written through .data
                setattr(weight, _SEEN, _state_of(weight))


_watched: list[Any] = []


def _watch_optimizers() -> None:
    """Once in a process: look at the weights after any optimizer's step."""
    if not _watched:
        from torch.optim.optimizer import register_optimizer_step_post_hook

        _watched.append(register_optimizer_step_post_hook(_after_step))
