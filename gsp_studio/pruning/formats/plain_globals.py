"""Classes without code of their own in PyTorch files: options, paths, numbers of NumPy, dicts with default values.

`PLAIN` is the list that PyTorch's reader of ``weights_only=True`` is given beside its own. NumPy's functions and
`defaultdict` are not on it: functions of this module stand under their names, which make the same values of checked
parts. `PlainPickler` writes the values under the names of their own classes again.
"""

from __future__ import annotations

import argparse
import pickle
import re
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, TypeVar

import numpy as np

_T = TypeVar("_T", bound=Callable[..., Any])

#: Numbers of one size on all machines: truth values, integers, floating and complex numbers.
_CODE = re.compile(r"b1|[iu][1248]|f[248]|c8|c16")
#: Functions that give a missing value of a dict.
_DEFAULTS = (int, float, list, dict)
#: Where a dict that was read keeps that function. PyTorch's reader fills dicts of its own classes alone.
_DEFAULT = "_gsp_studio_default"


def _under(module: str, name: str) -> Callable[[_T], _T]:
    """Give a function or class the name by which files ask for it."""

    def named(value: _T) -> _T:
        value.__module__, value.__name__, value.__qualname__ = module, name, name
        return value

    return named


def _refused(name: str) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(f"GLOBAL {name} of other values than plain numbers")


@_under("numpy", "dtype")
class _NumberType:
    """A type of NumPy's numbers, as files describe it."""

    values: np.dtype[Any] | None = None

    def __init__(self, code: object, *options: object) -> None:
        if not isinstance(code, str) or not _CODE.fullmatch(code):
            raise _refused("numpy.dtype")
        self.values = np.dtype(code)

    def __setstate__(self, state: object) -> None:
        is_plain = isinstance(state, tuple) and state[2:5] == (None, None, None)
        if self.values is None or not is_plain or state[1] not in ("<", ">", "=", "|"):  # type: ignore[index]
            raise _refused("numpy.dtype")
        self.values = self.values.newbyteorder(state[1])  # type: ignore[index]

    def __reduce__(self) -> Any:
        return np.dtype(self.values).__reduce__()


def _scalar(kind: object, content: object) -> Any:
    """A number of NumPy from its bytes."""
    of = kind.values if isinstance(kind, _NumberType) else None
    if of is None or not isinstance(content, bytes) or len(content) != of.itemsize:
        raise _refused("numpy.core.multiarray.scalar")
    return np.frombuffer(content, of)[0]


@_under("numpy.core.multiarray", "scalar")
def _scalar_of_1(kind: object, content: object) -> Any:  # as NumPy 1 writes it
    return _scalar(kind, content)


@_under("numpy._core.multiarray", "scalar")
def _scalar_of_2(kind: object, content: object) -> Any:
    return _scalar(kind, content)


@_under("collections", "defaultdict")
def _with_default(default: object = None, *more: object) -> OrderedDict[Any, Any]:
    if more or not (default is None or any(default is one for one in (*_DEFAULTS, set, OrderedDict))):
        raise _refused("collections.defaultdict")
    made: OrderedDict[Any, Any] = OrderedDict()
    vars(made)[_DEFAULT] = default
    return made


PLAIN: tuple[Callable[..., Any], ...] = (
    argparse.Namespace,
    PurePosixPath,
    PureWindowsPath,
    type(Path()),
    _NumberType,
    _scalar_of_1,
    _scalar_of_2,
    _with_default,
    *_DEFAULTS,
)


class PlainPickler(pickle.Pickler):
    """Pickler of values that were read with `PLAIN`."""

    def reducer_override(self, value: Any) -> Any:
        """A dict with default values as one; all else as usual."""
        if type(value) is OrderedDict and _DEFAULT in vars(value):
            return defaultdict, (vars(value)[_DEFAULT],), None, None, iter(value.items())
        return NotImplemented
