"""Parts on the workers of a Dask cluster: each is an actor that holds its images, or reads them, and its coefficients.

Dask starts, watches and restarts the workers and carries what is said; an actor that goes with its worker is made again
on another one. This is the only module of the core that knows Dask, and it is imported only for data that need it.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from distributed import Client, Future, KilledWorker, WorkerPlugin, default_client, wait
from distributed.client import futures_of

from gsp_studio.backends.backend import as_compute_dtype
from gsp_studio.backends.blocks import BlockMatrix, InMemoryBlocks, Interrupted
from gsp_studio.core.chunks import as_real_matrix, is_dask, to_blocks
from gsp_studio.core.distributed.matrix import DistributedMatrix
from gsp_studio.core.distributed.protocol import ClusterError, Lost, align, spans_of
from gsp_studio.core.distributed.shards import Order, Part

#: Seconds between two looks at whether a run is still wanted, and whether its workers are still there.
_LOOK, _LOOK_FOR_WORKERS = 0.2, 2.0
#: Seconds that a part waits for a worker to come, as one that was killed is started again.
_PATIENCE = 30.0
#: Images are kept in memory where they take at most this share of what a worker may use; else they are read each time.
_SHARE = 0.4
#: Times that an order is given again to a worker that seems to be there.
_TRIES = 3
_LATER = object()
_PACKAGES = ("gsp-studio", "distributed", "numpy")


class PartActor(Part):
    """A part as Dask calls it. What goes wrong is an answer: an exception of the transport means a lost worker."""

    def __init__(self, source: Any, first: int, total: int, backend: str, threads: int, is_held: bool) -> None:
        X = source if isinstance(source, BlockMatrix) else InMemoryBlocks(np.ascontiguousarray(align(source)), first)
        super().__init__(X.held() if is_held else X, first, total, backend, threads)

    def obey(self, order: Order, call: int) -> Any:
        """As `do`, with an exception in a `_Failure`."""
        try:
            return self.do(align(order), call)
        except Exception as error:  # the worker's edge: raised again where the order came from
            return _Failure(error)

    async def stop(self, call: int) -> None:
        """Interrupt: a coroutine, as these run beside what the actor does."""
        self.interrupt(call)


class InterruptShield(WorkerPlugin):  # type: ignore[misc]
    """For workers that a program started: Ctrl-C is for the program, which still needs their parts."""

    def __init__(self) -> None:
        self._program = os.getpid()

    def setup(self, worker: Any) -> None:
        """Called by Dask in each worker, those that are started again too."""
        if os.getpid() != self._program and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclass(frozen=True)
class _Failure:
    error: Exception


class DaskWorkers:
    """Parts as actors, see `core.distributed.protocol.Workers`.

    Parameters
    ----------
    client : distributed.Client
    X : ndarray (m, n) or BlockMatrix or dask.array.Array
        float32 or float64. A `BlockMatrix` is read by each worker for itself, under the same names as here.
    backend : str
        As for `get_backend`, on the workers.
    is_unwanted : callable, optional
        Asked while the parts are made; True ends that with `Interrupted`.
    """

    def __init__(
        self, client: Client, X: Any, backend: str = "auto", is_unwanted: Callable[[], bool] | None = None
    ) -> None:
        self.client = client
        self._X, self._backend = X, backend
        workers = self._wait_for_workers(is_unwanted)
        self._limit_of = {address: int(info.get("memory_limit") or 0) for address, info in workers.items()}
        addresses = sorted(workers)
        m, n = X.shape
        self.spans: Sequence[slice] = spans_of(m, n, X.dtype, [workers[a]["nthreads"] for a in addresses])
        self._at: dict[int, str] = dict(enumerate(addresses[: len(self.spans)]))
        self._calls = itertools.count(1)  # several threads may ask: a stop is for the pass of one of them
        self._futures: dict[int, Future] = {}
        self._actors: dict[int, Any] = {}
        threads = sum(workers[a]["nthreads"] for a in self._at.values())
        count = len(self.spans)
        self._make(dict(self._at), is_unwanted)
        work = f"{threads} thread{'s' * (threads > 1)}{self._accelerators()}"
        self.device = f"{count} worker{'s' * (count > 1)}, {work}, {_address_of(client)}"

    def call(self, orders: Mapping[int, Order], is_unwanted: Callable[[], bool] | None) -> dict[int, Any]:
        """As `Workers`: one message to each part, and one back."""
        answers: dict[int, Any] = {}
        asked: dict[int, Any] = {}
        number = next(self._calls)
        with _told(self.client):
            for i, order in orders.items():
                self._ask(i, order, number, asked, answers)
            looked, again = time.monotonic(), Counter[int]()
            while waiting := [i for i in asked if i not in answers]:
                for i in waiting:
                    answer = _answer_of(asked[i], _LOOK)
                    if answer is _LATER:
                        break
                    again[i] += isinstance(answer, Lost)
                    if isinstance(answer, Lost) and again[i] <= _TRIES and self._at[i] in self._workers():
                        # A connection that broke, or a worker that is not missed yet; an order can be given twice.
                        time.sleep(_LOOK)
                        self._ask(i, orders[i], number, asked, answers)
                    else:
                        answers[i] = answer
                waiting = [i for i in waiting if i not in answers]
                if waiting and time.monotonic() - looked >= _LOOK_FOR_WORKERS:
                    looked = time.monotonic()
                    present = self._workers()
                    answers |= {i: Lost() for i in waiting if self._at[i] not in present}
                if is_unwanted is not None and is_unwanted():
                    self._stop(waiting, number)
        return {i: self._check(i, answers[i]) for i in orders}

    def _ask(self, i: int, order: Order, call: int, asked: dict[int, Any], answers: dict[int, Any]) -> None:
        try:
            asked[i] = self._actors[i].obey(order, call)
        except (RuntimeError, KeyError):  # Dask's words for an actor that is known to be gone
            answers[i] = Lost()

    def replace(self, lost: Sequence[int], is_unwanted: Callable[[], bool] | None) -> None:
        """As `Workers`: each goes to the worker with the fewest parts."""
        for i in lost:
            self._actors.pop(i, None)
        with _told(self.client):
            workers = self._wait_for_workers(is_unwanted)
        self._limit_of |= {address: int(info.get("memory_limit") or 0) for address, info in workers.items()}
        busy = Counter(dict.fromkeys(workers, 0))
        busy.update(self._at[i] for i in self._actors if self._at[i] in workers)
        moved = {}
        for i in lost:
            moved[i] = min(busy, key=lambda address: (busy[address], address))
            busy[moved[i]] += 1
        self._at |= moved
        self._make(moved, is_unwanted)

    def part(self, i: int) -> BlockMatrix:
        """As `Workers`."""
        some, X = self.spans[i], self._X
        if isinstance(X, np.ndarray):
            return InMemoryBlocks(np.ascontiguousarray(X.T[some]), some.start)
        return (X if isinstance(X, BlockMatrix) else to_blocks(X)).part(some.start, some.stop)

    def _check(self, i: int, answer: Any) -> Any:
        if not isinstance(answer, _Failure):
            return align(answer)
        if isinstance(answer.error, MemoryError):
            raise ClusterError(f"{self._of(i)} is out of memory; give the workers more, or start more of them")
        if isinstance(answer.error, OSError):
            raise ClusterError(f"{self._of(i)} cannot read them: {answer.error}") from answer.error
        raise answer.error

    def _of(self, i: int) -> str:
        some = self.spans[i]
        return f"worker {self._at[i]}, which has images {some.start + 1} to {some.stop},"

    def _stop(self, waiting: Sequence[int], call: int) -> None:
        for i in waiting:
            with suppress(RuntimeError, KeyError):  # gone: the next look for workers notes it
                self._actors[i].stop(call)

    def _workers(self) -> dict[str, Any]:
        if self.client.status != "running":
            raise ClusterError(f"the scheduler at {_address_of(self.client)} does not answer any more")
        return workers_of(self.client)

    def _wait_for_workers(self, is_unwanted: Callable[[], bool] | None) -> dict[str, Any]:
        """Return the workers that take work, once there are any: Dask pauses those that use most of their memory."""
        end = time.monotonic() + _PATIENCE
        while True:
            there = self._workers()
            if workers := {address: info for address, info in there.items() if not _is_paused(info)}:
                return workers
            if is_unwanted is not None and is_unwanted():
                raise Interrupted
            if time.monotonic() > end:
                if there:
                    raise _too_full(there)
                raise ClusterError(f"the scheduler at {_address_of(self.client)} has no workers; start some")
            time.sleep(_LOOK)

    def _make(self, where: dict[int, str], is_unwanted: Callable[[], bool] | None) -> None:
        """Actors for these parts; one whose worker goes meanwhile is left out, and found lost when it is asked."""
        counts = Counter(where.values())
        with _told(self.client):
            workers = self._workers()
            for i, address in where.items():
                if address in workers:
                    threads = workers[address]["nthreads"]
                    try:
                        self._futures[i] = self._submit(i, address, threads, counts[address])
                    except TimeoutError:  # the scheduler has found no worker that takes them
                        self._check_pause(address)
                        raise
            for i, address in where.items():
                if i in self._futures and self._is_made(i, address, is_unwanted):
                    self._actors[i] = self._futures[i].result()

    def _accelerators(self) -> str:
        """Names of the devices that the workers compute with."""
        with _told(self.client):
            asked = [actor.accelerator() for actor in self._actors.values()]
            # A worker that is lost meanwhile is found so when it is given something to do.
            answers = [_answer_of(one, _PATIENCE) for one in asked]
        found = sorted({answer for answer in answers if isinstance(answer, str)} - {""})
        return f" with {', '.join(found)}" if found else ""

    def _check_pause(self, address: str) -> None:
        """Raise ClusterError where that worker has no memory left to begin anything."""
        info = self._workers().get(address)
        if info is not None and _is_paused(info):
            raise _too_full({address: info})

    def _submit(self, i: int, address: str, threads: int, count: int) -> Future:
        some, X = self.spans[i], self._X
        there = {"workers": [address], "allow_other_workers": False}
        needed = (some.stop - some.start) * X.shape[0] * X.dtype.itemsize * count
        is_held = needed <= _SHARE * self._limit_of[address] or not self._limit_of[address]
        if isinstance(X, np.ndarray):
            sent = [np.ascontiguousarray(X.T[some])]
            [source] = self.client.scatter(sent, workers=[address], hash=False, timeout=_PATIENCE)
        elif isinstance(X, BlockMatrix):
            source = X.part(some.start, some.stop)
        elif is_held or futures_of(X):
            # Not optimized: what is persisted, and what is not, then have the same keys for the same tasks. The worker
            # is a wish: tasks that an earlier run of the same data still holds may name one that is gone.
            wish = {**there, "allow_other_workers": True}
            source = self.client.compute(X[:, some].T, optimize_graph=False, **wish)
        else:
            source = to_blocks(X).part(some.start, some.stop)
        return self.client.submit(
            PartActor,
            source,
            some.start,
            X.shape[1],
            self._backend,
            threads,
            is_held,
            actor=True,
            key=f"gsp-{uuid.uuid4()}",
            **there,
        )

    def _is_made(self, i: int, address: str, is_unwanted: Callable[[], bool] | None) -> bool:
        future, end = self._futures[i], time.monotonic() + _PATIENCE
        while not future.done():
            try:
                wait([future], timeout=_LOOK)
            except TimeoutError:
                if is_unwanted is not None and is_unwanted():
                    raise Interrupted from None
                if address not in self._workers():
                    return False
                if time.monotonic() > end:
                    self._check_pause(address)
        error = future.exception() if future.status == "error" else None
        if isinstance(error, MemoryError):
            raise ClusterError(f"{self._of(i)} is out of memory; give the workers more, or start more of them")
        if error is not None and not isinstance(error, KilledWorker):
            raise error
        return error is None and future.status == "finished"


def _answer_of(asked: Any, seconds: float) -> Any:
    """Return an actor's answer, `Lost` where it is gone, `_LATER` when it takes longer than that."""
    try:
        return asked.result(timeout=seconds)
    except TimeoutError:
        return _LATER
    except Exception:  # of a connection, or a worker that ends; those of the part itself are in a `_Failure`
        return Lost()


@contextmanager
def _told(client: Client) -> Iterator[None]:
    """Run Dask's calls with this client; raise its errors about a scheduler that is gone as one sentence."""
    try:
        with client.as_current():  # which actors look for
            yield
    except (OSError, CancelledError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "closed" not in str(error):  # as a pool of connections is
            raise
        raise ClusterError(f"the scheduler at {_address_of(client)} does not answer any more") from error


def _is_paused(info: Mapping[str, Any]) -> bool:
    return bool(info.get("status") == "paused")


def _too_full(paused: Mapping[str, Any]) -> ClusterError:
    """Workers that take nothing on, as they use most of the memory that they may."""
    address, info = next(iter(sorted(paused.items())))
    used, limit = (int(size) / 2**30 for size in (info["metrics"]["memory"], info["memory_limit"]))
    others = f" and {len(paused) - 1} more take" if len(paused) > 1 else " takes"
    return ClusterError(
        f"worker {address}{others} no more work: {used:.1f} of its {limit:.1f} GiB of memory are in use; "
        "give the workers more, or start more of them"
    )


def _address_of(client: Client) -> str:
    return str(client.scheduler.address) if client.scheduler is not None else "an unknown address"


def spread(
    X: Any, client: Client, backend: str = "auto", is_unwanted: Callable[[], bool] | None = None
) -> DistributedMatrix:
    """Images on the workers of a cluster, for `iterate` and `factorize`.

    Parameters
    ----------
    X : array_like (m, n), or BlockMatrix, or dask.array.Array
        Arrays are sent to the workers; a `BlockMatrix` they read by themselves, from the same paths as here.
    client : distributed.Client
    backend, is_unwanted
        As for `DaskWorkers`.

    Returns
    -------
    DistributedMatrix
        As long as it, or coefficients of it, are held, the workers keep their parts.

    Raises
    ------
    ValueError
        A dask.array that is no matrix of real numbers, or whose chunks have no known sizes.
    ClusterError
        No workers, other versions there, or too little memory.
    """
    check_versions(client)
    X = as_real_matrix(X) if is_dask(X) else as_compute_dtype(X)
    return DistributedMatrix(X.shape, X.dtype, DaskWorkers(client, X, backend, is_unwanted))


def place(X: Any, backend: str = "auto") -> DistributedMatrix | BlockMatrix:
    """A dask.array on the workers of the current `distributed.Client`; without one, read chunk by chunk here."""
    try:
        client = default_client()
    except ValueError:  # which is how Dask says that there is none
        return to_blocks(as_real_matrix(X))
    return spread(X, client, backend)


def workers_of(client: Client) -> dict[str, Any]:
    """Return the scheduler's records of its workers, by their addresses.

    Asked for directly: what `Client.scheduler_info` returns is replaced every two seconds by one without workers.
    """
    return dict(client.sync(client.scheduler.identity, n_workers=-1)["workers"])


def check_versions(client: Client) -> None:
    """Raise ClusterError when workers run other versions of packages that have to be the same."""
    with _told(client):
        found = client.get_versions(packages=_PACKAGES[:1])
    here = _versions(found["client"])
    for address, there in sorted(found["workers"].items()):
        for name, version in _versions(there).items():
            if version is None:
                raise ClusterError(f"worker {address} has no {name}; install {name} {here[name]} there")
            if version != here[name]:
                raise ClusterError(
                    f"worker {address} has {name} {version}, this computer {here[name]}; make them equal"
                )


def _versions(found: Mapping[str, Any]) -> dict[str, str | None]:
    versions = {name: found["packages"].get(name) for name in _PACKAGES}
    versions["numpy"] = versions["numpy"] and versions["numpy"].partition(".")[0]  # arrays travel between 2.1 and 2.2
    return {**versions, "Python": ".".join(found["host"]["python"].split(".")[:2])}
