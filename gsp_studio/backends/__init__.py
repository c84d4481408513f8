"""Devices: the only floor that knows where arrays live and which kernels run there.

A backend that is named and cannot run raises; "auto" takes the best one that can, and the run records which.
"""

from __future__ import annotations

import importlib
from functools import cache

from gsp_studio.backends.backend import Backend, BackendUnavailable

__all__ = ["Backend", "BackendUnavailable", "available_backends", "get_backend"]

#: In the order in which "auto" prefers them: module that makes the backend.
_BACKENDS = {
    "cpu": "gsp_studio.backends.cpu",
    "reference": "gsp_studio.backends.reference_nmf",
}


def get_backend(name: str = "auto", threads: int | None = None) -> Backend:
    """The backend of that name.

    Parameters
    ----------
    name : "auto" | "cpu" | "reference"
        "auto" is the fastest that runs here. "reference" is plain numpy: slow, and meant for checking.
    threads : int, optional
        Threads for the kernels; by default every core that the process may use.

    Raises
    ------
    BackendUnavailable
        The named backend cannot run here, with the reason.
    ValueError
        An unknown name, or threads < 1.
    """
    if name != "auto" and name not in _BACKENDS:
        raise ValueError(f'backend "{name}" is not known; accepted are auto, {", ".join(_BACKENDS)}')
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}; accepted is a whole number >= 1")
    return _make("cpu" if name == "auto" else name, threads)


@cache
def _make(name: str, threads: int | None) -> Backend:
    try:
        module = importlib.import_module(_BACKENDS[name])
    except ImportError as error:
        raise BackendUnavailable(f"backend {name} cannot run here: {error}") from error
    backend: Backend = module.make_backend(threads)
    return backend


def available_backends() -> dict[str, str]:
    """Every backend's name, with "" where it runs here, else one sentence that says why it does not."""
    reasons = {}
    for name in _BACKENDS:
        try:
            _make(name, None)
            reasons[name] = ""
        except BackendUnavailable as error:
            reasons[name] = str(error)
    return reasons
