"""The data matrix X of a solver: an array, or images that are out of core or on several machines.

Every kind has `shape`, `dtype`, `T` (an image a row) and whole columns ``X[:, some]``. One that is out of core
(`OutOfCoreMatrix`: `BlockMatrix`, `InMemoryBlocks`, `DistributedMatrix`) knows its `largest` value and its
`squared_norm`, and is `scaled` as it is read; of an array these are computed here and in `metrics`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.backends import Backend, get_backend, on_host
from gsp_studio.backends.backend import as_compute_dtype, is_out_of_core
from gsp_studio.backends.data_access import keeps_coefficients
from gsp_studio.core.chunks import is_dask
from gsp_studio.core.masking import Missing, apart, check_weights, draw_held_out, fill_missing
from gsp_studio.core.methods import METHODS
from gsp_studio.core.params import Params
from gsp_studio.core.scaling import Scaling, scaling_of
from gsp_studio.core.units import Unit, unit_of
from gsp_studio.core.validation import check_data, check_params


def backend_for(params: Params, backend: str | Backend, threads: int | None = None) -> Backend:
    """The backend of a run; "auto" is the processor where a device does not know the loss of its method.

    Raises
    ------
    ValueError
        A device that was named and does not know it.
    BackendUnavailable
    """
    found = get_backend(backend, threads) if isinstance(backend, str) else backend
    problem = "" if found.remote is None else _lack_of_device(params)
    if problem and backend != "auto":
        raise ValueError(f"{problem} is computed by the processor; accepted are the backends auto and cpu")
    return replace(get_backend("cpu", threads), note=f"{problem} needs the processor") if problem else found


def _lack_of_device(params: Params) -> str:
    method = METHODS.get(params.method)
    for name in ("poisson", "sum_to_one"):
        if getattr(params, name):
            return name
    return "" if method is None or method.is_least_squares else f'the method "{params.method}"'


def check_place(X: Any, params: Params) -> None:
    """Raise ValueError where a loss cannot be computed where the images are."""
    if keeps_coefficients(X) and _lack_of_device(params):
        raise ValueError(f"{_lack_of_device(params)} needs the images on this computer; they are on a cluster")


def placed(X: Any, backend: str | Backend) -> tuple[Any, Backend]:
    """A dask.array where it can be computed with, anything else as it is; and the backend of this computer.

    A name is that of the workers' backend where X is on a cluster: they may have devices that this computer has not,
    which computes with the basis alone.
    """
    if is_dask(X):
        from gsp_studio.core.distributed.dask_workers import place  # not needed, and not installed, for anything else

        X = place(X, backend if isinstance(backend, str) else backend.name)
    if not keeps_coefficients(X):
        return X, get_backend(backend) if isinstance(backend, str) else backend
    if isinstance(backend, str):
        return X, get_backend("cpu" if backend != "reference" else backend)
    return X, on_host(backend)


def prepared(X: Any, params: Params, mask: npt.ArrayLike | None) -> tuple[Any, Missing | None, Unit, Scaling | None]:
    """Images as a run begins with them.

    Parameters
    ----------
    X : array_like (m, n), or OutOfCoreMatrix
    params : Params
    mask : array_like (m, n) of bool or floating numbers, optional

    Returns
    -------
    Xt : array (n, m), or rows of an OutOfCoreMatrix
        In `unit`, an image a row, contiguous.
    missing : Missing or None
    unit : Unit
    scaling : Scaling or None
        Of `Params.poisson`: what `Xt` is of then.

    Raises
    ------
    ValueError
        Data, a mask or parameters out of range.
    """
    X, mask = apart(X, mask)
    X = as_compute_dtype(X)
    check_place(X, params)
    if is_out_of_core(X):
        for what, is_given in (("a mask", mask is not None), ("held_out", params.held_out != 0)):
            if is_given:
                raise ValueError(f"{what} needs the images in memory; these are in their file or on other machines")
        check_params(params, *X.shape)  # first: looking at all values takes a while
    scaling = None
    if params.poisson and X.ndim == 2:
        gone = None if mask is None else check_weights(mask, X.shape)[0]
        check_data(X if gone is None else np.where(gone, X.dtype.type(0), X))  # before anything is divided
        scaling = scaling_of(X, gone)
        X = scaling.inside(X)
    missing = None
    if mask is None and params.held_out == 0:
        unit = unit_of(check_data(X))
        X = unit.data_inside(X)
        Xt = X.T if is_out_of_core(X) else np.ascontiguousarray(X.T)
    else:
        weights, held_out = None, None
        if mask is not None:
            mask, weights = check_weights(mask, X.shape)
        if params.held_out != 0 and X.ndim == 2:
            check_params(params, *X.shape)
            held_out = draw_held_out(X.shape, params.held_out, params.seed, mask)
        Xt, missing, unit = fill_missing(X, mask, held_out, weights)
    check_params(params, *X.shape)
    return Xt, missing, unit, scaling
