"""Workers: one thread each that answers requests; stale answers are dropped by generation number.

`LatestOnly`: a slider makes requests faster than a large projection answers them. Requests that wait are replaced, the
one that is being worked on is finished, and the last request is always answered.
`InOrder`: each request counts, as each file that is to be written does, and is answered in its turn.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Request = TypeVar("Request")
Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class Answer(Generic[Request, Value]):
    """The answer to one request: its generation, the request, and the value or the error that it raised."""

    generation: int
    request: Request
    value: Value | None
    error: Exception | None


class Worker(Generic[Request, Value]):
    """Answers requests in one thread, which starts with the first of them, with ``function(request)``.

    Parameters
    ----------
    function : callable
        Called in the worker thread; it must not change what others see.
    name : str
        Of the thread.
    notify : callable, optional
        Called in the worker thread when there is an answer for `poll`; never again once `close` has returned.
    """

    #: Requests that wait, and answers that are kept, at most; None: all.
    _depth: int | None = None

    def __init__(
        self, function: Callable[[Request], Value], name: str = "gsp-worker", notify: Callable[[], None] | None = None
    ) -> None:
        self._function, self._name, self._notify = function, name, notify
        self._changed = threading.Condition()
        self._generation = 0
        self._discarded = 0  # answers up to this generation are stale
        self._waiting: deque[tuple[int, Request]] = deque(maxlen=self._depth)
        self._working = False
        self._working_on = 0
        self._answers: deque[Answer[Request, Value]] = deque(maxlen=self._depth)
        self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, request: Request) -> int:
        """Ask. Returns the request's generation number."""
        with self._changed:
            if self._closed:
                raise RuntimeError("this worker is closed")
            self._generation += 1
            self._waiting.append((self._generation, request))
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            return self._generation

    def discard(self) -> None:
        """Forget what waits and drop the answer under way, for example when the data set changes."""
        with self._changed:
            self._discarded = self._generation
            self._waiting.clear()
            self._answers.clear()

    def poll(self) -> Answer[Request, Value] | None:
        """The next answer, once, or None; never one to a request from before `discard`."""
        with self._changed:
            return self._answers.popleft() if self._answers else None

    @property
    def is_busy(self) -> bool:
        """Whether there is anything to poll for: a request that waits or is worked on, or an answer not yet fetched."""
        with self._changed:
            return self._working or bool(self._waiting) or bool(self._answers)

    @property
    def is_superseded(self) -> bool:
        """Whether the result of the present request is no longer needed, so that a long computation may end early."""
        with self._changed:
            is_replaced = self._depth is not None and (bool(self._waiting) or self._closed)
            return is_replaced or self._working_on <= self._discarded

    def tell(self, call: Callable[[], None]) -> None:
        """Call this, from the worker thread, unless the worker has been closed."""
        with self._changed:
            if not self._closed:
                call()

    def close(self, timeout: float | None = None) -> bool:
        """Take no more requests, finish what has to be, and end the thread; True when it has ended."""
        with self._changed:
            self._closed = True
            if self._depth is not None:
                self._waiting.clear()
            self._changed.notify_all()
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if not self._waiting:
                    return
                generation, request = self._waiting.popleft()
                self._working, self._working_on = True, generation
            value: Value | None = None
            error: Exception | None = None
            try:
                value = self._function(request)
            except Exception as raised:  # the thread's edge: the asker decides what to say
                error = raised
            with self._changed:
                self._working = False
                if generation > self._discarded:
                    self._answers.append(Answer(generation, request, value, error))
                    if self._notify is not None:
                        self.tell(self._notify)
                self._changed.notify_all()
            del request, value, error  # an idle thread keeps no data alive


class LatestOnly(Worker[Request, Value]):
    """Replaces a request that waits by a newer one, and an answer that was not fetched by the next.

    While a drag goes on, answers to requests that have been replaced are handed out too, as they come (a frame during
    the drag); never an older one after a newer one. `close` finishes the request under way.
    """

    _depth = 1


class InOrder(Worker[Request, Value]):
    """Answers every request, in the order in which they were made; `close` finishes those that wait, too."""
