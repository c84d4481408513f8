"""The one thread pool: who may enter it, and how many threads it may use.

numba's pool is shared by the whole process, and one of its threading layers aborts when two Python threads enter it at
once. Every call of a ``parallel=True`` kernel is therefore made inside ``with POOL:``. The lock is re-entrant, so a
function that holds it may call another that takes it. Serial kernels need no lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numba
from threadpoolctl import OpenBLASController

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


class OnOneThread:
    """BLAS on one thread while anybody is inside, from any Python thread; the last one out puts its threads back.

    The number is the process's. Of two Python threads that each had a limit of their own, the first one out would give
    BLAS its threads back while the other still computes, and the other would leave what it found for good: one thread.

    Parameters
    ----------
    find : () -> threadpoolctl.ThreadpoolController
        The libraries.
    """

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find
        self._changing = threading.Lock()
        self._inside = 0
        self._before: Any = None

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Inside."""
        with self._changing:
            _let_anybody_set()
            limit = self._find().limit(limits=1)  # each time: somebody else may have set it meanwhile
            if self._inside == 0:
                self._before = limit
            self._inside += 1
        try:
            yield
        finally:
            with self._changing:
                self._inside -= 1
                if self._inside == 0:
                    _let_anybody_set()
                    self._before.restore_original_limits()
                    _let_anybody_set()


def _let_anybody_set() -> None:
    """From threadpoolctl 3.8 on OpenBLAS obeys one Python thread at a time, the first that set it, and no other."""
    clear = getattr(OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)
