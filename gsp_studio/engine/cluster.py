"""Clusters by their address: one connection each, opened when a run wants it, closed with the program.

``local:4`` starts four workers here, each a process; any other address is that of a scheduler that runs already. What
computes on a cluster is in `core.distributed.dask_workers`; Dask is imported with the first address.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import importlib.util
import logging
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gsp_studio.core.distributed.protocol import ClusterError
from gsp_studio.io.logfile import LOG

if TYPE_CHECKING:
    from gsp_studio.core.distributed.matrix import DistributedMatrix

#: Seconds within which a scheduler has to answer.
_ANSWER = 15.0
#: Loggers that print what a lost connection means for Dask; its meaning for a run is one sentence of the outcome.
_LOGGERS = ("distributed", "tornado", "bokeh", "asyncio")
_LOCAL = re.compile(r"local:([1-9][0-9]{0,2})")
_REMOTE = re.compile(r"((tcp|tls|ws|wss)://)?[^\s/:]+(:[^\s/:]+)*:[0-9]{1,5}")
_ACCEPTED = "accepted are the address of a scheduler, tcp://HOST:PORT, and local:4 for four workers on this computer"


@dataclass(frozen=True)
class Status:
    """State of a cluster.

    Attributes
    ----------
    address, dashboard : str
        Of the scheduler, and of its pages for browsers, "" where it has none.
    workers, threads : int
    used, limit : int
        Bytes of memory that the workers take, and may take (0: no limit).
    """

    address: str
    dashboard: str
    workers: int
    threads: int
    used: int
    limit: int


class Cluster:
    """A connection to a scheduler, or to workers that were started here for it.

    Parameters
    ----------
    address : str
        "tcp://HOST:PORT", "HOST:PORT" or "local:COUNT".

    Raises
    ------
    ClusterError
        One sentence: no such address, no scheduler there, Dask is not installed.
    """

    def __init__(self, address: str) -> None:
        check_address(address)
        from distributed import Client, LocalCluster

        _send_logs_to_ours()
        self.asked = address
        self._local: Any = None
        try:
            if not _LOCAL.fullmatch(address):
                asyncio.run(asyncio.wait_for(_greet(address), _ANSWER))
            # What Dask warns of concerns its own ports and versions; what matters here is checked and said in words.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if local := _LOCAL.fullmatch(address):
                    self._local = LocalCluster(
                        n_workers=(count := int(local[1])),
                        threads_per_worker=max(1, (os.cpu_count() or 1) // count),
                        dashboard_address="127.0.0.1:0",
                        silence_logs=logging.CRITICAL,
                    )
                there = address if self._local is None else self._local
                self.client = Client(there, timeout=_ANSWER, set_as_default=False, direct_to_workers=True)
                if self._local is not None:
                    from gsp_studio.core.distributed.dask_workers import InterruptShield

                    self.client.register_plugin(InterruptShield())
        except (OSError, ValueError, RuntimeError, TypeError, TimeoutError) as error:
            self._close_local()
            if _LOCAL.fullmatch(address):
                raise ClusterError(f"the workers of {address} could not be started: {error}") from error
            if isinstance(error, TypeError):  # Dask's, of certificates that are not there
                raise ClusterError(
                    f"{address} needs certificates; name them in Dask's configuration, under distributed.comm.tls"
                ) from error
            raise ClusterError(
                f"no scheduler answers at {address}; start one with `dask scheduler` and workers with `dask worker`, "
                f"or use local:4 (waited for {_ANSWER:g} s at most)"
            ) from error

    def status(self) -> Status:
        """Request the present state from the scheduler.

        Raises
        ------
        ClusterError
            The scheduler does not answer.
        """
        from gsp_studio.core.distributed.dask_workers import workers_of

        try:
            workers = workers_of(self.client).values()
        except (OSError, RuntimeError) as error:
            raise ClusterError(f"the scheduler at {self.asked} does not answer any more") from error
        return Status(
            str(self.client.scheduler.address),
            str(self.client.dashboard_link or ""),
            len(workers),
            sum(one["nthreads"] for one in workers),
            sum(int(one.get("metrics", {}).get("memory", 0)) for one in workers),
            sum(int(one.get("memory_limit") or 0) for one in workers),
        )

    def spread(self, X: Any, backend: str = "auto", is_unwanted: Callable[[], bool] | None = None) -> DistributedMatrix:
        """Images on its workers, as `core.distributed.dask_workers.spread`."""
        from gsp_studio.core.distributed.dask_workers import spread

        return spread(X, self.client, backend, is_unwanted)

    def close(self) -> None:
        """Disconnect; workers that were started here end."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.client.close(timeout=2)
            self._close_local()

    def _close_local(self) -> None:
        if self._local is not None:
            self._local.close(timeout=10)


async def _greet(address: str) -> None:
    """Connect, have the scheduler say what it is, and disconnect; whatever fails is raised."""
    from distributed.core import connect
    from distributed.security import Security

    comm = await connect(address, timeout=_ANSWER, **Security().get_connection_args("client"))
    try:
        await comm.write({"op": "identity", "reply": True})
        if not isinstance(await comm.read(), dict):
            raise ValueError("the answer is not a scheduler's")
    finally:
        comm.abort()


class _LogForwarder(logging.Handler):
    """Takes what another program's loggers say into the log on the disk."""

    def emit(self, record: logging.LogRecord) -> None:
        LOG.log(min(record.levelno, logging.WARNING), "%s: %s", record.name, record.getMessage())


@functools.cache
def _send_logs_to_ours() -> None:
    handler = _LogForwarder(logging.WARNING)
    for name, logger in list(logging.Logger.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and name.partition(".")[0] in _LOGGERS:
            logger.handlers, logger.propagate = [], "." in name
    for name in _LOGGERS:
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).propagate = False


def check_address(address: str) -> None:
    """Raise ClusterError when this is no address, or Dask is not there to use it."""
    form = _LOCAL if address.startswith("local:") else _REMOTE
    if not form.fullmatch(address):
        raise ClusterError(f'"{address}" is not a scheduler; {_ACCEPTED}')
    if importlib.util.find_spec("distributed") is None or importlib.util.find_spec("dask") is None:
        raise ClusterError('clusters need Dask; pip install "gsp-studio[cluster]" brings it')


@contextlib.contextmanager
def defer_interrupts() -> Iterator[None]:
    """Hold back Ctrl-C until this ends; processes that are started meanwhile never get it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if sys.platform != "win32":
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()  # which would take back what is blocked, were it started later
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    has_masks = hasattr(signal, "pthread_sigmask")  # which threads and processes take from those that start them
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if has_masks else set()
    try:
        yield
    finally:
        if has_masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, before)
    if heard:
        signal.raise_signal(signal.SIGINT)


_open: dict[str, Cluster] = {}
_lock = threading.Lock()


def connect(address: str) -> Cluster:
    """The connection to a cluster, opened when there is none; `ClusterError` as for `Cluster`."""
    with _lock:
        found = _open.get(address)
        if found is not None and found.client.status == "running":
            return found
        # The workers that are started here are not to end by a Ctrl-C that is for the program.
        with defer_interrupts() if _LOCAL.fullmatch(address) else contextlib.nullcontext():
            _open[address] = made = Cluster(address)
        return made


def known(address: str) -> Cluster | None:
    """The connection to a cluster, where there is one already."""
    return _open.get(address)


@atexit.register
def close_all() -> None:
    """Close all connections."""
    with _lock:
        while _open:
            _open.popitem()[1].close()
