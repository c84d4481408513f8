"""numba and BLAS kernels for this computer's processor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import numba
import scipy.linalg.blas  # noqa: F401  numba's np.dot calls SciPy's BLAS: it must be loaded to be limited
from threadpoolctl import ThreadpoolController

from gsp_studio.backends.backend import Backend
from gsp_studio.backends.cpu import solver
from gsp_studio.backends.cpu.pool import set_threads
from gsp_studio.backends.cpu.projection import project_rows


@cache
def _blas() -> Any:
    # Finding the loaded libraries takes milliseconds, limiting them microseconds.
    return ThreadpoolController().select(user_api="blas")


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
            with _blas().limit(limits=1):
                yield
        finally:
            set_threads(before)

    return Backend(
        name="cpu",
        device=f"{count} thread{'s' if count > 1 else ''}",
        threads=count,
        products=partial(solver.products, threads=count),
        sweep_coefficients=partial(solver.sweep_coefficients, threads=count),
        descend_coefficients=partial(solver.descend_coefficients, threads=count),
        encode=solver.encode,
        residual=solver.residual,
        hals=solver.hals,
        gradient_step=solver.gradient_step,
        extrapolate=solver.extrapolate,
        project_rows=project_rows,
        scope=scope,
    )
