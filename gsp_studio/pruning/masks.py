"""Zeros that stay zero, whatever updates the weights: in place, so that a model's state dict keeps its keys.

A mask is applied at four doors: to gradients as they arrive, to weights after any step of an optimizer of PyTorch, and
before every forward pass and every `state_dict` of the module, which also cover updates by hand, loaded weights and
copies of the model. Momentum and weight decay so have nothing to move.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

#: Where a parameter carries its mask: true where it has to be zero.
_MARK = "_gsp_dropped"
_WEIGHT = "weight"


class Mask:
    """Holds a module's weight at zero where it is dropped; a hook that can be copied and pickled with its module.

    Parameters
    ----------
    dropped : Tensor of bool
        Of the weight's shape; true where it has to be zero.
    """

    def __init__(self, dropped: Tensor) -> None:
        self.dropped = dropped

    def __call__(self, module: nn.Module, *_: Any) -> None:
        """Before a forward pass or a state dict of the module."""
        weight = getattr(module, _WEIGHT)
        if getattr(module, "_is_replica", False):  # of DataParallel: a copy on another device, for one pass
            _drop(weight, self.dropped.to(weight.device))
            return
        if self.dropped.device != weight.device:
            self.dropped = self.dropped.to(weight.device)
        if getattr(weight, _MARK, None) is not self.dropped:  # moved, or a copy of the module
            self._mark(weight)
        _drop(weight, self.dropped)

    def _mark(self, weight: nn.Parameter) -> None:
        is_new = getattr(weight, _MARK, None) is None
        setattr(weight, _MARK, self.dropped)
        if is_new and weight.requires_grad:
            weight.register_post_accumulate_grad_hook(_drop_gradient)
        _watch_optimizers()


def freeze(module: nn.Module) -> Mask:
    """Keep the zeros of a module's weight from now on; a mask that it has is replaced."""
    thaw(module)
    weight = getattr(module, _WEIGHT)
    mask = Mask(weight.detach() == 0)
    attach(module, mask)
    return mask


def attach(module: nn.Module, mask: Mask) -> None:
    """Let a mask hold a module's weight."""
    module.register_forward_pre_hook(mask)
    module.register_state_dict_pre_hook(mask)
    mask(module)


def thaw(module: nn.Module) -> None:
    """Let a module's weight go."""
    for hooks in (module._forward_pre_hooks, module._state_dict_pre_hooks):
        for key in [key for key, hook in hooks.items() if isinstance(hook, Mask)]:
            del hooks[key]
    weight = getattr(module, _WEIGHT)
    if hasattr(weight, _MARK):
        delattr(weight, _MARK)
        hooks = weight._post_accumulate_grad_hooks or {}
        for key in [key for key, hook in hooks.items() if hook is _drop_gradient]:
            del hooks[key]


def mask_of(module: nn.Module) -> Mask | None:
    """The mask that holds a module's weight."""
    return next((hook for hook in module._forward_pre_hooks.values() if isinstance(hook, Mask)), None)


def _drop(values: Tensor, dropped: Tensor) -> None:
    """Set dropped weights to zero; a product would keep NaN."""
    with torch.no_grad():
        values.masked_fill_(dropped, 0)


def _drop_gradient(weight: Tensor) -> None:
    dropped = getattr(weight, _MARK, None)
    if dropped is not None and weight.grad is not None and dropped.device == weight.grad.device:
        _drop(weight.grad, dropped)


def _after_step(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    for group in optimizer.param_groups:
        for weight in group["params"]:
            dropped = getattr(weight, _MARK, None)
            if dropped is not None and dropped.device == weight.device:
                _drop(weight, dropped)


_watched: list[Any] = []


def _watch_optimizers() -> None:
    """Once in a process: look at the weights after any optimizer's step."""
    if not _watched:
        from torch.optim.optimizer import register_optimizer_step_post_hook

        _watched.append(register_optimizer_step_post_hook(_after_step))
