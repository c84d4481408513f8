"""PyTorch files, read with ``weights_only=True`` alone: tensors, numbers, texts, and classes without code of their own.

Before PyTorch sees a file its pickles are walked opcode by opcode (`gsp_studio.io.formats.pickles`).

A checkpoint is a state dict, or holds one under a well-known name beside an optimizer's; "module." of DataParallel is
not shown. Values are put back in place, so that tied tensors stay tied and everything else comes out as it went in.
"""

from __future__ import annotations

import io
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.formats.pickles import PickleError, check_pickle
from gsp_studio.io.memory import require_memory
from gsp_studio.pruning.formats.array_names import names_of
from gsp_studio.pruning.formats.plain_globals import PLAIN, PlainPickler
from gsp_studio.pruning.formats.stored_array import CheckpointError, StoredArray, check_known, computed, require_extra

#: Names under which training scripts keep the state dict of the model, in the order of the search.
_CONTAINERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params")
#: Their other entries, which are no weights of the model.
_BESIDE = re.compile(r"optim|sched|scaler|(^|_)ema|history|loss|args|config", re.IGNORECASE)
_DEEPEST = 16
#: Before it, ``weights_only=True`` could be made to run code (CVE-2025-32434).
_OLDEST = (2, 6)
#: A file of before PyTorch 1.6: its mark, version, system, content, and the keys of the storages.
_LEGACY_PICKLES = 5
#: The functions of `pickle` that PyTorch writes with.
_PICKLES = SimpleNamespace(__name__="pickle", Pickler=PlainPickler, dump=pickle.dump)
_FLOATS = ("float16", "bfloat16", "float32", "float64")
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)|class ([\w.]+)|function ([\w.]+)")


def read(path: Path) -> list[StoredArray]:
    """The tensors of the model that a file holds."""
    found = dict(_tensors(_loaded(path), path))
    if not found:
        raise CheckpointError(f"{path} holds no tensors; accepted is the state dict of a network")
    names = names_of(found, [f"{name}." for name in _CONTAINERS])
    seen: dict[Any, str] = {}
    stored = []
    for key, tensor in found.items():
        shape = () if tensor.is_nested else tuple(tensor.shape)
        dtype = str(tensor.dtype).removeprefix("torch.")
        reason = _why_not_dense(tensor)
        if not reason and tensor.numel():
            place = (tensor.untyped_storage().data_ptr(), tensor.storage_offset(), tensor.shape, tensor.stride())
            tied = seen.setdefault(place, names[key])
            reason = "" if tied == names[key] else f"tied to {tied}"
        values = computed(_as_numpy(tensor)) if dtype in _FLOATS and not reason else None
        stored.append(StoredArray(key, names[key], shape, dtype, values, reason=reason))
    return stored


def write(source: Path, target: Path, values: Mapping[str, Array], name: str) -> None:
    """The object of `source` once more, with other values in its tensors."""
    import torch

    content = _loaded(source)
    found = dict(_tensors(content, source))
    check_known(source, values, {key: tuple(found[key].shape) for key in values if _is_dense(found.get(key))})
    with torch.no_grad():
        for key, new in values.items():
            found[key].copy_(torch.from_numpy(np.array(new)))
    try:
        torch.save(content, target, _PICKLES, _use_new_zipfile_serialization=_is_archive(source))
    except RecursionError as error:
        raise CheckpointError(f"{source} nests values too deep to be written again") from error


def _loaded(path: Path) -> Any:
    require_extra("torch", path)
    require_memory(path.stat().st_size, f"{path}, opened,")
    import torch

    if tuple(map(int, re.findall(r"\d+", str(torch.__version__))[:2])) < _OLDEST:
        raise CheckpointError(
            f"{path} needs PyTorch {'.'.join(map(str, _OLDEST))} or later; the one that is installed, "
            f"{torch.__version__}, can be made to run code by a file of weights"
        )
    _check_archive(path)
    try:
        _check_pickles(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the library to itself, about old files
            with torch.serialization.safe_globals(list(PLAIN)):
                return torch.load(path, map_location="cpu", weights_only=True)
    except PickleError as error:
        raise CheckpointError(f"{path} is no PyTorch file, or is damaged: its pickle {error}") from error
    except pickle.UnpicklingError as error:
        asked = _GLOBAL.search(str(error))
        named = next(filter(None, asked.groups()), "") if asked else ""
        if not named:
            raise CheckpointError(f"{path} is no PyTorch file, or is damaged") from error
        raise CheckpointError(
            f"{path} asks for Python code ({named}), which could do anything, and is not opened; "
            "accepted are files with tensors alone, as torch.save(model.state_dict(), ...) writes them"
        ) from error
    except (OSError, MemoryError):
        raise
    except Exception as error:  # PyTorch raises exceptions of many kinds for damaged files
        raise CheckpointError(f"{path} is no PyTorch file, or is damaged ({_short(error)})") from error


def _is_archive(path: Path) -> bool:
    """Whether PyTorch takes a file for an archive: by its first bytes alone."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _check_archive(path: Path) -> None:
    """Refuse an archive that holds more than its size, and compiled models, whose weights come with their code."""
    if not _is_archive(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except Exception as error:  # as above
        raise CheckpointError(f"{path} is a damaged archive ({_short(error)})") from error
    if any(info.filename.endswith("constants.pkl") or "/code/" in info.filename for info in members):
        raise CheckpointError(
            f"{path} is a TorchScript program, which is code; accepted is the state dict of a network"
        )
    held = sum(info.file_size for info in members)
    if held > path.stat().st_size or any(info.compress_type != zipfile.ZIP_STORED for info in members):
        raise CheckpointError(
            f"{path} declares {held} bytes in a file of {path.stat().st_size}; PyTorch does not compress its archives"
        )


def _check_pickles(path: Path) -> None:
    """Walk through the pickles that PyTorch is going to load, found as it finds them."""
    import torch

    if _is_archive(path):
        content = torch._C.PyTorchFileReader(str(path)).get_record("data.pkl")
        check_pickle(io.BytesIO(content), len(content))
        return
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(0)
        for _ in range(_LEGACY_PICKLES):
            check_pickle(file, end)


def _tensors(content: Any, path: Path) -> Iterator[tuple[str, Any]]:
    """Every tensor of the model with its key, the names on the way to it joined by dots."""
    prefix = ""
    if isinstance(content, Mapping):
        container = next((name for name in _CONTAINERS if isinstance(content.get(name), Mapping)), None)
        if container is not None:
            content, prefix = content[container], f"{container}."
    keys = set()
    for key, tensor in _walk(content, prefix, 0, set()):
        if key in keys:
            raise CheckpointError(f"{path} holds two tensors that are called {key}")
        keys.add(key)
        _check_layout(key, tensor, path)
        yield key, tensor


def _walk(value: Any, prefix: str, depth: int, seen: set[int]) -> Iterator[tuple[str, Any]]:
    import torch

    if isinstance(value, torch.Tensor):
        yield prefix.removesuffix("."), value
        return
    if depth == _DEEPEST or id(value) in seen:  # a pickle may hold itself
        return
    seen.add(id(value))
    if isinstance(value, Mapping):
        items: Any = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    else:
        return
    for name, inner in items:
        if isinstance(name, (str, int)) and not (
            isinstance(inner, (Mapping, list, tuple)) and _BESIDE.search(str(name))
        ):
            yield from _walk(inner, f"{prefix}{name}.", depth + 1, seen)


def _why_not_dense(tensor: Any) -> str:
    """Reason why the values of a tensor cannot be replaced; "" where they can."""
    import torch

    if tensor.is_nested:
        return "a nested tensor"
    if tensor.layout != torch.strided:
        return "a sparse tensor"
    if tensor.is_quantized:
        return "quantized"
    return "" if tensor.device.type == "cpu" else "without values"


def _is_dense(tensor: Any) -> bool:
    return tensor is not None and not _why_not_dense(tensor)


def _check_layout(key: str, tensor: Any, path: Path) -> None:
    """Refuse a tensor that shows entries of its storage several times: it can claim any size."""
    if not _is_dense(tensor):
        return
    expected = 1
    for stride, length in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if length > 1:
            if stride < expected:
                shape = " x ".join(map(str, tensor.shape))
                raise CheckpointError(f"{path}: {key} ({shape}) repeats entries instead of holding them")
            expected = stride * length


def _as_numpy(tensor: Any) -> Array:
    import torch

    if tensor.dtype in (torch.float16, torch.bfloat16):
        tensor = tensor.to(torch.float32)
    return np.asarray(tensor.detach().numpy())


def _short(error: BaseException) -> str:
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text if len(text) <= 160 else text[:157] + "..."
