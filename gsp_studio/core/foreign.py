"""Updates of methods that other packages bring, watched: each error is a sentence that names the package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gsp_studio.backends import OutOfDeviceMemory


def watched_update(new_update: Callable[[float], Any], told: str) -> Callable[[float], Any]:
    """`Method.new_update` of another package, whose updates are checked each time.

    Parameters
    ----------
    new_update : (size) -> UpdateBasis
    told : str
        Subject of the sentences: the method and its package.

    Returns
    -------
    (size) -> UpdateBasis
        Its updates raise ValueError in one sentence where that of the package raises, changes the basis that it was
        given, or returns anything but two nonnegative, finite arrays like it.
    """

    def new_watched(size: float = 1.0) -> Any:
        update = _called(told, new_update, size)

        def watched(V: Any, B: Any, G: Any, backend: Any, params: Any) -> Any:
            before = backend.get(V).copy()
            found = _called(told, update, V, B, G, backend, params)
            if not isinstance(found, tuple) or len(found) != 2:
                raise ValueError(f"{told} returned {_kind(found)}; expected are the new basis and its last dense step")
            for words, array in zip(("a new basis", "a dense step"), found, strict=True):
                _check(array, V, backend, f"{told} returned {words}")
            if not np.array_equal(backend.get(V), before):
                raise ValueError(f"{told} wrote into the basis that it was given; expected is a new array")
            return found

        return watched

    return new_watched


def watched_projection(new_projection: Callable[[], Any], told: str) -> Callable[[], Any]:
    """`Method.new_projection` of another package, whose projections are checked as `watched_update` checks updates."""

    def new_watched() -> Any:
        project = _called(told, new_projection)

        def watched(Z: Any, backend: Any, params: Any) -> Any:
            found = _called(told, project, Z, backend, params)
            _check(found, Z, backend, f"{told} projected onto a basis")
            return found

        return watched

    return new_watched


def _called(told: str, function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except (MemoryError, OutOfDeviceMemory):
        raise
    except Exception as error:
        words = " ".join(str(error).split())
        raise ValueError(f"{told} failed ({type(error).__name__}{f': {words}' if words else ''})") from error


def _check(array: Any, like: Any, backend: Any, told: str) -> None:
    """Raise ValueError unless an array is one of the backend, like another, finite and nonnegative."""
    if type(array) is not type(like):
        raise ValueError(f"{told} that is {_kind(array)}; expected is {_kind(like)}")
    if array.shape != like.shape or array.dtype != like.dtype:
        raise ValueError(f"{told} {array.shape} of {array.dtype}; expected is {like.shape} of {like.dtype}")
    values = backend.get(array)
    if not np.isfinite(values).all():
        raise ValueError(f"{told} with NaN or infinite values; expected are finite values >= 0")
    if values.min(initial=0.0) < 0:
        raise ValueError(f"{told} with negative values; expected are finite values >= 0")


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
