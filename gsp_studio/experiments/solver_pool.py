"""Solves tasks one after another in this process, or several at a time in processes of their own.

Solver processes share the cores out: each has cores // jobs threads, and its libraries are limited so before they are
loaded. Ctrl-C reaches only this process, which asks the others to stop at their next iteration.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any, TextIO

from gsp_studio.backends.blocks import Matrix
from gsp_studio.core.nmf import Iterate
from gsp_studio.engine.progress import RunsProgress
from gsp_studio.experiments.runs import FinishedRun, Task, load, save, solve

#: Seconds between two looks at what the processes have done.
_LOOK = 0.2
#: With data above this, one process by default: each holds its own copy.
_SHARED = 256 << 20


class Interrupted(KeyboardInterrupt):
    """Ctrl-C: the finished runs are kept. `finished` and `total` count runs."""

    def __init__(self, finished: int, total: int) -> None:
        super().__init__(f"{finished} of {total} runs are finished")
        self.finished, self.total = finished, total


@dataclass(frozen=True)
class Machine:
    """Resources: processes at a time (None: as many as cores and runs), and threads of all of them together."""

    jobs: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("jobs", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; accepted is a whole number >= 1")

    def share(self, n_tasks: int, nbytes: int) -> tuple[int, int]:
        """Processes for so many runs on data of that size, and threads of each."""
        from gsp_studio.backends.cpu.processor import usable_cores

        cores = self.threads or usable_cores()
        jobs = self.jobs or (1 if nbytes > _SHARED else cores)
        jobs = max(1, min(jobs, n_tasks))
        return jobs, max(1, cores // jobs)


def solve_all(
    tasks: Sequence[Task],
    data: Mapping[str, Matrix],
    folder: Path,
    machine: Machine | None = None,
    stream: TextIO | None = None,
) -> list[FinishedRun]:
    """Do all runs that `folder` does not hold yet; each is written there as soon as it is finished.

    Parameters
    ----------
    tasks : sequence of Task
    data : mapping
        X (m, n) by its fingerprint.
    folder : Path
        Made when it is missing.
    machine : Machine, optional
        The results do not depend on it.
    stream : text file, optional
        For the progress.

    Returns
    -------
    list of FinishedRun, in the order of `tasks`

    Raises
    ------
    Interrupted
        Ctrl-C. The same call later does only what is missing.
    ValueError, BackendUnavailable, OSError
        As for `solve` and `save`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [task for task in tasks if load(task, folder) is None]
    kept = len(tasks) - len(missing)
    if stream is not None and kept:
        stream.write(f"{kept} of {len(tasks)} runs were finished before and are not done again\n")
    progress = RunsProgress(sum(task.params.max_iter for task in missing), len(missing), stream if missing else None)
    jobs, threads = (machine or Machine()).share(len(missing), sum(X.nbytes for X in data.values()))
    try:
        work = _one_by_one if jobs == 1 else _in_processes
        work(missing, data, folder, jobs, threads, progress.show)
    except KeyboardInterrupt:
        raise Interrupted(sum(task.path(folder).exists() for task in tasks), len(tasks)) from None
    finally:
        progress.close()
    finished = [load(task, folder) for task in tasks]
    for task, run in zip(tasks, finished, strict=True):
        if run is None:
            raise OSError(f"{task.path(folder)} cannot be read though it was just written")
    return [run for run in finished if run is not None]


Show = Callable[[int, int], None]


def _one_by_one(
    tasks: Sequence[Task], data: Mapping[str, Matrix], folder: Path, jobs: int, threads: int, show: Show
) -> None:
    done = 0

    def count(it: Iterate) -> None:
        nonlocal done
        done += 1
        show(done, number)

    for number, task in enumerate(tasks):
        save(solve(task, data[task.data], threads, count), folder)
        show(done, number + 1)


def _in_processes(
    tasks: Sequence[Task], data: Mapping[str, Matrix], folder: Path, jobs: int, threads: int, show: Show
) -> None:
    context = get_context("spawn")  # a fork would copy the state of threads that it does not copy
    # Shared without locks, each with one writer: a process that ends while it holds a lock stops all others.
    stopping, done = context.RawValue("b", 0), context.RawArray("q", len(tasks))
    worker = (data, folder, threads, stopping, done)
    with _noticing_interrupts() as interrupted:
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=worker)
        try:
            with _as_solvers_need_it(threads):
                waiting = {pool.submit(_work, task, number) for number, task in enumerate(tasks)}
            while waiting and not interrupted():
                ended, waiting = wait(waiting, timeout=_LOOK, return_when=FIRST_COMPLETED)
                for future in ended:
                    future.result()
                show(sum(done), len(tasks) - len(waiting))
        except BrokenProcessPool as error:
            raise OSError(
                f"a solver process was ended from outside, perhaps for lack of memory; finished runs are in {folder}, "
                "try again with a smaller --jobs"
            ) from error
        finally:
            stopping.value = 1  # for those that are still at work
            pool.shutdown(cancel_futures=True)
        if interrupted():
            raise KeyboardInterrupt


@contextmanager
def _noticing_interrupts() -> Iterator[Callable[[], bool]]:
    """Record Ctrl-C, instead of raising an exception at any line of the block."""
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return
    seen: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        yield lambda: bool(seen)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _as_solvers_need_it(threads: int) -> Iterator[None]:
    """The environment in which solver processes are started: they read it once, when their libraries are loaded.

    They also inherit that Ctrl-C is held back: a terminal sends it to all processes, while they start up too.
    """
    variables = {"NUMBA_NUM_THREADS": str(threads)}
    # Products are cut into blocks for numba's threads; BLAS's own would come on top.
    variables |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1")
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        with _held_back(signal.SIGINT):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _held_back(number: signal.Signals) -> Iterator[None]:
    """A signal waits until the end of the block, and for ever in processes that are started in it."""
    if sys.platform == "win32":  # knows no such thing
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Stopped(Exception):
    """Request to stop reached this solver."""


#: Arguments of `_begin`, in a solver process: data, folder, threads, whether to stop, iterations done of each task.
_worker: tuple[Mapping[str, Matrix], Path, int, Any, Any] | None = None


def _begin(data: Mapping[str, Matrix], folder: Path, threads: int, stopping: Any, done: Any) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be held back
    _worker = (data, folder, threads, stopping, done)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A solver whose parent was killed would wait for its next task for ever."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _work(task: Task, number: int) -> None:
    assert _worker is not None  # `_begin` was called first
    data, folder, threads, stopping, done = _worker

    def count(it: Iterate) -> None:
        done[number] = it.n_iter
        if stopping.value:
            raise _Stopped

    save(solve(task, data[task.data], threads, count), folder)
