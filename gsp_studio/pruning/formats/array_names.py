"""Names of arrays as the model itself has them, and arrays that tools of PyTorch have put in the place of a weight."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

#: Prefixes that wrappers put before all names.
_PREFIXES = ("module.", "_orig_mod.")
#: Modules that wrappers put around others: of torch.compile, of sharding and of recomputed activations.
_AROUND = re.compile(r"(^|(?<=\.))(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_WEIGHT = re.compile(r"(^|[._])weight(_|$)")

#: What the reasons of `reason_by_tool` name.
TOOLS = "torch.nn.utils"
_PRUNED = 'pruned by torch.nn.utils.prune; torch.nn.utils.prune.remove(module, "{}") makes it plain again'
_NORMED = "under torch.nn.utils.weight_norm; remove_weight_norm(module) makes it plain again"
_SPECTRAL = "under torch.nn.utils.spectral_norm; remove_spectral_norm(module) makes it plain again"
_PARAMETRIZED = "under torch.nn.utils.parametrize; remove_parametrizations makes it plain again"


def without_wrappers(name: str) -> str:
    """A name without the modules that wrappers have put around those of the model."""
    return _AROUND.sub("", name)


def names_of(keys: Collection[str], prefixes: Iterable[str] = ()) -> dict[str, str]:
    """Names in messages by key: without a prefix that all of them have, and without wrappers.

    Parameters
    ----------
    keys : collection of str
    prefixes : iterable of str, optional
        Further ones: of containers in the file.
    """
    names = {key: key for key in keys}
    for prefix in (*prefixes, *_PREFIXES, *_PREFIXES):
        if all(name.startswith(prefix) and name != prefix for name in names.values()):
            names = {key: name.removeprefix(prefix) for key, name in names.items()}
    plain = {key: without_wrappers(name) for key, name in names.items()}
    return plain if len(set(plain.values())) == len(plain) else names


def reason_by_tool(name: str, names: Collection[str]) -> str:
    """Reason why an array is no weight but a tool's part of one, with the cure; "" for others.

    Parameters
    ----------
    name : str
    names : collection of str
        Of all arrays beside it, in the file or in the module.
    """
    if "parametrizations" in name.split(".")[:-1]:
        return _PARAMETRIZED
    base, _, role = name.rpartition("_")
    if role in ("orig", "mask") and f"{base}_orig" in names and f"{base}_mask" in names:
        return _PRUNED.format(base.rpartition(".")[2])
    if role == "orig" and f"{base}_u" in names:
        return _SPECTRAL
    if role in ("g", "v") and _WEIGHT.search(base) and f"{base}_g" in names and f"{base}_v" in names:
        return _NORMED
    return ""
