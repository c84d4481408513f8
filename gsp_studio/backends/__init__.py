"""Devices: the only floor that knows where arrays live and which kernels run there.

A backend that is named and cannot run raises; "auto" takes the best one that can, and the run records which.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import replace
from functools import cache
from importlib.util import find_spec

from gsp_studio.backends.backend import Backend, BackendUnavailable, OutOfDeviceMemory, Remote

__all__ = [
    "Backend",
    "BackendUnavailable",
    "OutOfDeviceMemory",
    "available_backends",
    "get_backend",
    "on_host",
    "reason_of",
    "remote_of",
]

#: In the order in which "auto" prefers them; "reference" is never its choice.
_NAMES = ("cuda", "cpu", "reference")
_HOSTS = {"cpu": "gsp_studio.backends.cpu.processor", "reference": "gsp_studio.backends.reference_nmf"}


def get_backend(name: str = "auto", threads: int | None = None) -> Backend:
    """The backend of that name.

    Parameters
    ----------
    name : "auto" | "cuda" | "cuda:1" | "cpu" | "reference"
        "auto" is the fastest that runs here: the first CUDA device, else the processor. "cuda:1" is the second CUDA
        device. "reference" is plain numpy: slow, and meant for checking.
    threads : int, optional
        Threads for the kernels on the processor; by default every core that the process may use.

    Raises
    ------
    BackendUnavailable
        The named backend cannot run here, with the reason.
    ValueError
        An unknown name, or threads < 1.

    Examples
    --------
    >>> import gsp_studio as gs
    >>> gs.get_backend("reference").name
    'reference'
    """
    device = re.fullmatch(r"cuda(?::(\d{1,3}))?", name)
    if name not in ("auto", *_HOSTS) and device is None:
        raise ValueError(f'backend "{name}" is not known; accepted are auto, cuda, cuda:1, cpu and reference')
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}; accepted is a whole number >= 1")
    if device is not None:
        return _on_device(int(device[1] or 0))
    if name != "auto":
        return _on_host(name, threads)
    name = _best()
    if name == "cuda":
        return _on_device(0)
    found = _on_host(name, threads)
    # An installed CuPy means that a device is expected: a run says why it had none.
    return replace(found, note=reason_of(_problem("cuda"))) if name == "cpu" and find_spec("cupy") else found


def reason_of(problem: str) -> str:
    """The reason alone of a `BackendUnavailable`'s message."""
    return problem.partition("cannot run here: ")[2] or problem


def remote_of(backend: str | Backend) -> Remote | None:
    """The device behind a backend or its name; None for those that compute on the host."""
    if backend == "cpu":  # most often, and without a look for devices
        return None
    return (get_backend(backend) if isinstance(backend, str) else backend).remote


def on_host(backend: Backend) -> Backend:
    """The backend itself where its arrays are the host's; the processor in the place of a device."""
    return backend if backend.remote is None else get_backend("cpu")


def _best() -> str:
    return "cpu" if _problem("cuda") else "cuda"


@cache
def _on_host(name: str, threads: int | None) -> Backend:
    try:
        module = importlib.import_module(_HOSTS[name])
    except ImportError as error:
        raise BackendUnavailable(f"backend {name} cannot run here: {error}") from error
    backend: Backend = module.make_backend(threads)
    return backend


@cache
def _on_device(index: int) -> Backend:
    from gsp_studio.backends.cuda import make_backend

    return make_backend(index)


@cache
def _problem(name: str) -> str:
    """Return why a backend cannot run here, found once; "" where it can."""
    try:
        get_backend(name)
    except BackendUnavailable as error:
        return str(error)
    return ""


def available_backends() -> dict[str, str]:
    """Every backend's name, with "" where it runs here, else one sentence that says why it does not."""
    return {name: _problem(name) for name in _NAMES}
