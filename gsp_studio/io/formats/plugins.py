"""Readers that other packages offer under the entry point group "gsp_studio.readers", each a `Format`.

Nothing that they give is trusted: every function is called through a guard, which turns any error into one sentence
with the name of the reader and its package, and refuses results of another type than `Format` promises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.io.axes import Axis
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats.array_entry import ArrayEntry, Format
from gsp_studio.io.formats.lazy_array import LazyArray

GROUP = "gsp_studio.readers"
#: Readers that are loaded at most.
_MOST = 100


@cache
def plugin_formats() -> tuple[dict[str, Format], tuple[str, ...]]:
    """Readers of installed packages by their kinds, "plugin NAME", and a sentence for each that cannot be loaded."""
    found: dict[str, Format] = {}
    problems = []
    for entry in sorted(entry_points(group=GROUP), key=lambda one: one.name)[:_MOST]:
        try:
            found[f"plugin {entry.name}"] = _loaded(entry)
        except Exception as error:  # any that the import of a package can raise
            problems.append(f"{_named(entry)} cannot be loaded: {_short(error)}")
    return found, tuple(problems)


def _loaded(entry: EntryPoint) -> Format:
    """The table row of a reader, its functions guarded.

    Raises
    ------
    Exception
        Whatever its import raises; TypeError for a row that is none.
    """
    form = entry.load()
    if callable(form) and not isinstance(form, Format):
        form = form()
    if not isinstance(form, Format):
        raise TypeError(f"it is a {type(form).__name__}; accepted is a Format of gsp_studio.io.formats.array_entry")
    texts = isinstance(form.name, str) and isinstance(form.suffixes, tuple)
    if not texts or not all(isinstance(one, str) and one.startswith(".") for one in form.suffixes):
        raise TypeError("its name is no text, or its suffixes are no tuple of texts that begin with a dot")
    where = _named(entry)
    guarded: dict[str, Any] = {"recognises": partial(_recognises, form.recognises)}
    for name, check in _CHECKS.items():
        work = getattr(form, name)
        if work is not None and work is not _default(name):
            guarded[name] = partial(_guarded, work, check, f"{where}: {name}")
    return replace(form, **guarded)


def _default(name: str) -> Any:
    return next(field.default for field in fields(Format) if field.name == name)


def _recognises(work: Callable[[Path, bytes], bool], path: Path, head: bytes) -> bool:
    try:
        return work(path, head) is True
    except Exception:  # which is no reason to refuse a file that another reader knows
        return False


def _guarded(work: Callable[..., Any], check: Callable[[Any], bool], where: str, path: Path, *more: Any) -> Any:
    try:
        result = work(path, *more)
    except (DatasetError, MemoryError):
        raise
    except Exception as error:
        raise DatasetError(f"{path} cannot be read: {where} fails ({_short(error)})") from error
    if not check(result):
        raise DatasetError(f"{path} cannot be read: {where} gives a {type(result).__name__}, which is not accepted")
    return result


def _is_axes(result: Any) -> bool:
    if not (isinstance(result, tuple) and len(result) == 2 and all(isinstance(part, tuple) for part in result)):
        return False
    return all(axis is None or isinstance(axis, Axis) for axis in result[0]) and _is_texts(result[1])


def _is_texts(result: Any) -> bool:
    return isinstance(result, tuple) and all(isinstance(one, str) for one in result)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "list": lambda result: isinstance(result, list) and all(isinstance(one, ArrayEntry) for one in result),
    "read": lambda result: isinstance(result, np.ndarray),
    "open": lambda result: result is None or isinstance(result, LazyArray),
    "names": lambda result: result is None or _is_texts(result),
    "labels": lambda result: result is None or _is_texts(result),
    "axes": _is_axes,
    "notes": _is_texts,
    "canonical_key": lambda result: isinstance(result, str),
}


def _named(entry: EntryPoint) -> str:
    package = entry.dist.name if entry.dist is not None else entry.module
    return f'the reader "{entry.name}" of the package {package}'


def _short(error: BaseException) -> str:
    text = (str(error) or type(error).__name__).splitlines()[0]
    return text if len(text) <= 160 else text[:157] + "..."
