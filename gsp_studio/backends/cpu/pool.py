"""The one thread pool: entering it, its number of threads, and its state after a fork.

numba's pool is shared by the whole process. Of its threading layers GNU OpenMP is the quickest: with `workqueue` an
iteration on faces takes 1.35 times as long. But it ends every forked process that enters it, and a
``multiprocessing.Pool`` that waits for such a process would wait for ever, so a forked process is told in one sentence.
Where ``NUMBA_THREADING_LAYER`` names `workqueue` (or `tbb`, which has to be installed) forked processes compute, with
the same bits. `workqueue` in turn ends the process when two Python threads enter it at once. Every call of a
``parallel=True`` kernel is therefore made inside ``with POOL:``, which is re-entrant, so a function that holds it may
call another that takes it. Serial kernels need no lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import numba
from threadpoolctl import OpenBLASController

_CAN_FORK = hasattr(os, "register_at_fork")


class _Pool:
    """The lock around parallel kernels; a forked process begins with a new one."""

    def __init__(self) -> None:
        self._lock, self._is_lost = threading.RLock(), False
        if _CAN_FORK:
            os.register_at_fork(after_in_child=self._renew)

    def __enter__(self) -> None:
        if self._is_lost:
            raise RuntimeError(
                "this process was forked from one whose threads run on GNU OpenMP, which does not survive a fork; "
                'start processes with multiprocessing.get_context("spawn"), or set NUMBA_THREADING_LAYER=workqueue'
            )
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def _renew(self) -> None:
        self._lock = threading.RLock()  # the parent's may be held by a thread that is not here
        try:
            self._is_lost = numba.threading_layer() == "omp"
        except ValueError:  # no threads have been started yet
            self._is_lost = False


#: Held around every call of a parallel kernel.
POOL = _Pool()


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
        self._before: Any = None
        self._begin()
        if _CAN_FORK:
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._changing, self._inside = threading.Lock(), 0

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Inside."""
        with self._changing:
            _let_anybody_set()
            limit = self._find().limit(limits=1)  # each time: other code may have set it meanwhile
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
