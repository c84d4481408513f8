"""Large groups: the kernels of `group` in pieces, on all threads of the pool."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from gsp_studio.backends.backend import Array
from gsp_studio.backends.cpu import group
from gsp_studio.backends.cpu.pool import POOL

#: Entries from which threads are worth their start.
WORTHWHILE = 150_000


def project(c, offsets, w, s, checked, scratch, table, state, out):
    return group.project_serial(c, offsets, w, s, checked, np.empty(len(offsets)-1,np.int64), scratch, table, state, out)


def write(c: Array, offsets: Array, w: Array | None, table: Array, state: Array, out: Array) -> None:
    """The projected vectors at the multiplier found; `out` may be c."""
    group.write(c, offsets, w, table, state, out)


def copy(c: Array, out: Array) -> None:
    """``out[:] = c``."""
    out[:] = c
