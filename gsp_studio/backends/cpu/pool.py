"""The one thread pool: who may enter it, and how many threads it may use.

numba's pool is shared by the whole process, and one of its threading layers aborts when two Python threads enter it at
once. Every call of a ``parallel=True`` kernel is therefore made inside ``with POOL:``. The lock is re-entrant, so a
function that holds it may call another that takes it. Serial kernels need no lock.
"""

from __future__ import annotations

import threading

import numba

#: Held around every call of a parallel kernel.
POOL = threading.RLock()


def get_threads() -> int:
    """Threads that a parallel kernel started from this Python thread uses."""
    return int(numba.get_num_threads())


def set_threads(count: int) -> int:
    """Set the threads of this Python thread's next parallel kernels, at most those numba started with.

    Returns
    -------
    int
        The number in force before, for putting it back.
    """
    before = get_threads()
    numba.set_num_threads(max(1, min(count, int(numba.config.NUMBA_NUM_THREADS))))
    return before
