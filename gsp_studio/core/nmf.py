"""Sparse NMF: X ~ W H with W, H >= 0 and one number for the average sparsity of the basis.

All methods are one generator; their differences are data, in `methods.py`. Pausing, cancelling and threads live outside
it: the consumer stops asking, or sends new `Params`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

import numpy.typing as npt

from gsp_studio.backends import Backend
from gsp_studio.backends.backend import is_out_of_core
from gsp_studio.core.divergence_iteration import DivergenceIteration
from gsp_studio.core.edits import (
    Edit,
    Kill,
    Reseed,
    Split,
    Steering,
    after_steering,
    check_edit,
    edited_params,
    steps_of,
)
from gsp_studio.core.iteration import Iteration
from gsp_studio.core.masking import Missing
from gsp_studio.core.matrix import backend_for, placed, prepared
from gsp_studio.core.methods import METHODS
from gsp_studio.core.params import Params
from gsp_studio.core.results import (
    Best,
    History,
    Iterate,
    Record,
    Result,
    better,
    result_of,
)
from gsp_studio.core.scaling import Scaling
from gsp_studio.core.stopping import Stop, StoppingRule
from gsp_studio.core.units import Unit
from gsp_studio.core.validation import check_data, check_params, check_steering

__all__ = [
    "METHODS",
    "Best",
    "Edit",
    "History",
    "Iterate",
    "Kill",
    "Params",
    "Record",
    "Reseed",
    "Result",
    "Split",
    "Steering",
    "Stop",
    "better",
    "check_data",
    "check_params",
    "factorize",
    "iterate",
    "result_of",
]


def iterate(
    X: Any,
    params: Params,
    backend: str | Backend = "auto",
    mask: npt.ArrayLike | None = None,
) -> Generator[Iterate, Steering, Stop]:
    """Iterates of a sparse NMF, one an outer iteration; ``send(new_params)`` steers the run.

    An edit of the basis (`Kill`, `Split`, `Reseed` of `core.edits`), or several of both in order, can be sent too.

    Parameters
    ----------
    X : array_like (m, n), >= 0, or BlockMatrix, DistributedMatrix, dask.array.Array
        Pixels by images. float32 and float64 are computed in their own type, all others in float64. Fortran order
        (each image contiguous) is read in place; any other order is copied. A `BlockMatrix` is read in blocks of
        images and never is in memory as a whole. A `DistributedMatrix` is on the workers of a cluster, as a dask.array
        is where a `distributed.Client` is current; without one it is read in blocks here.
        Entries that a NumPy masked array hides are missing, as by `mask`. Sparse matrices, complex numbers, dates and
        objects are refused.
    params : Params
    backend : str or Backend
        "auto", a backend's name, or one made by `get_backend`.
    mask : array_like (m, n) of bool or floating numbers, optional
        True where an entry is missing: dead pixels, or entries held out to be predicted. What X holds there is not
        read. Floating numbers from 0 to 1 are what entries count, 0 where they are missing. X is copied then, and read
        once more in each iteration, as where `Params.held_out` leaves some out.

    Yields
    ------
    Iterate

    Returns
    -------
    Stop
        Why it ended, as the generator's return value.

    Raises
    ------
    ValueError
        X or a parameter out of range, before the first iterate or at the `send` that brought it; an edit that the
        basis cannot have; a mask for data that are not in memory.
    BackendUnavailable
        A backend that was named and cannot run here.
    ClusterError
        Workers that cannot be reached or do not keep up.

    Notes
    -----
    An outer iteration balances the factors, updates W from ``A = X H'`` and ``G = H H'``, then sweeps H and gathers
    the new A and G in one pass over X. After the W update of `psnmf` and `gsphals` every iterate meets the target. X is
    read once an iteration, and once more only when the fit is so good that the Gram form of the error has no digits
    left. On a cluster an iteration is one round trip; the iterates' H are `Coefficients`, which stay there until asked
    for.

    The unit of the data does not matter: X times ``2**k`` gives the same errors and sparsities to the last bit, and W H
    times ``2**k``. X with a largest value outside of ``2**-32`` to ``2**32`` is copied, and divided by a power of two;
    on a cluster it is refused. Of subnormal numbers the digits count that they have.

    References
    ----------
    Ohib et al., TMLR 2022, section 3 (projection) and section 5.1 (sparse NMF); Gillis & Glineur, Neural
    Computation 2012 (A-HALS). Where we deviate: a block of 64 columns stops its sweeps on its own.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import numpy as np, gsp_studio as gs
    >>> params = gs.Params(rank=4, sparsity=0.5, max_iter=20)
    >>> run = gs.iterate(np.random.default_rng(0).random((64, 50)), params)
    >>> next(run).target, run.send(replace(params, sparsity=0.8)).target
    (0.5, 0.8)
    """
    X, device = placed(X, backend)
    device = backend_for(params, device if backend != "auto" or is_out_of_core(X) else backend)
    return _iterate(*prepared(X, params, mask), params, device)


def _iterate(
    Xt: Any, missing: Missing | None, unit: Unit, scaling: Scaling | None, params: Params, backend: Backend
) -> Generator[Iterate, Steering, Stop]:
    run: Iteration | DivergenceIteration
    if METHODS[params.method].is_least_squares:
        run = Iteration(Xt, missing, params, backend, unit, scaling)
    else:
        run = DivergenceIteration(Xt, missing, params, backend, unit)
    stopping = StoppingRule()
    while True:
        it = run.step(params)
        steered = yield it
        if steered is not None:
            for step in steps_of(steered):
                if isinstance(step, Params):
                    check_steering(step, params, *Xt.T.shape)
                    params = step
                else:
                    check_edit(step, params, *Xt.T.shape)
                    run.edit(step)
                    params = edited_params(step, params)
            stopping.restart()
        stop = stopping.reason(it, params, run.settles(params), run.gradient_residual)
        if steered is not None:
            stopping.restart()  # the error of the iterate before it is that of another problem
        if stop is not None:
            return stop


def factorize(
    X: Any,
    params: Params,
    backend: str | Backend = "auto",
    callback: Callable[[Iterate], None] | None = None,
    mask: npt.ArrayLike | None = None,
    steering: Mapping[int, Steering] | None = None,
) -> Result:
    """Run a sparse NMF to its end and return its best iterate.

    Parameters
    ----------
    X, params, backend, mask
        As for `iterate`.
    callback : callable, optional
        Called with every `Iterate`. To stop early or pause, use `iterate`.
    steering : mapping of int, optional
        What the run takes after given iterations: new `Params`, edits of the basis, or several of both in order.

    Returns
    -------
    Result

    Raises
    ------
    ValueError, BackendUnavailable
        As for `iterate`.

    Examples
    --------
    >>> import numpy as np, gsp_studio as gs
    >>> X = np.random.default_rng(0).random((64, 100))
    >>> result = gs.factorize(X, gs.Params(rank=5, sparsity=0.6, max_iter=20))
    >>> result.W.shape, bool(result.sparsity >= 0.6 - 1e-10)
    ((64, 5), True)
    """
    X, device = placed(X, backend)
    device = backend_for(params, device if backend != "auto" or is_out_of_core(X) else backend)
    steering = steering or {}
    best = Best(params)
    records: list[Record] = []
    solver = iterate(X, params, device, mask)
    step: Steering = None
    while True:
        try:
            it = solver.send(step)
        except StopIteration as end:
            assert best.iterate is not None  # max_iter >= 1
            return result_of(best.iterate, records, best.params, device, end.value)
        params, is_edited = after_steering(step, params)
        best.see(it, params, is_edited)
        records.append(it.record)
        if callback is not None:
            callback(it)
        step = steering.get(it.n_iter)
