"""The CPU backend: the kernels of this package with their threads, and BLAS on one thread while they run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numba
import scipy.linalg.blas  # noqa: F401  numba's np.dot calls SciPy's BLAS: it must be loaded to be limited
from threadpoolctl import ThreadpoolController

from gsp_studio.backends.ahead import updating_ahead
from gsp_studio.backends.backend import Backend
from gsp_studio.backends.cpu import image_pass, solver
from gsp_studio.backends.cpu.arrays import OPERATIONS, filling, step_distance
from gsp_studio.backends.cpu.compiling import clock
from gsp_studio.backends.cpu.pool import OnOneThread, set_threads
from gsp_studio.backends.cpu.price import shared_price
from gsp_studio.backends.cpu.projection import project_rows


@cache
def _blas() -> Any:
    # Finding the loaded libraries takes milliseconds, limiting them microseconds.
    return ThreadpoolController().select(user_api="blas")


#: Context manager: BLAS on one thread while any thread is inside.
blas_on_one_thread = OnOneThread(_blas).limited


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def make_backend(threads: int | None) -> Backend:
    """The CPU backend with that many threads (all usable cores for None, never more than numba was started with)."""
    count = min(threads or usable_cores(), numba.config.NUMBA_NUM_THREADS)

    @contextmanager
    def scope() -> Iterator[None]:
        before = set_threads(count)
        try:
            with blas_on_one_thread():
                yield
        finally:
            set_threads(before)

    return Backend(
        name="cpu",
        device=f"{count} thread{'s' if count > 1 else ''}",
        threads=count,
        products=image_pass.products,
        sweep_coefficients=image_pass.sweep_coefficients,
        descend_coefficients=image_pass.descend_coefficients,
        update_ahead=updating_ahead(image_pass.sweep_coefficients, image_pass.descend_coefficients),
        encode=image_pass.encode,
        residual=image_pass.residual,
        hals=solver.hals,
        shared_price=shared_price,
        gradient_step=solver.gradient_step,
        extrapolate=solver.extrapolate,
        project_rows=project_rows,
        filling=filling(solver.refill),
        step_distance=step_distance(solver.gradient_step),
        scope=scope,
        clock=clock,
        **OPERATIONS,
    )
