"""LatestOnly: one worker, the newest request wins, stale answers are dropped by generation number.

A slider makes requests faster than a large projection answers them. Requests that wait are replaced, the one that is
being worked on is finished, and the last request is always answered.
"""

from __future__ import annotations

import threading
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


class LatestOnly(Generic[Request, Value]):
    """Answers requests in one thread with ``function(request)``.

    Parameters
    ----------
    function : callable
        Called in the worker thread; it must not change what others see.
    """

    def __init__(self, function: Callable[[Request], Value], name: str = "gsp-latest") -> None:
        self._function = function
        self._changed = threading.Condition()
        self._generation = 0
        self._discarded = 0  # answers up to this generation are stale
        self._waiting: tuple[int, Request] | None = None
        self._working = False
        self._working_on = 0
        self._answer: Answer[Request, Value] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> int:
        """Ask; a request that still waits is replaced. Returns the request's generation number."""
        with self._changed:
            if self._closed:
                raise RuntimeError("this worker is closed")
            self._generation += 1
            self._waiting = (self._generation, request)
            self._changed.notify_all()
            return self._generation

    def discard(self) -> None:
        """Forget what waits and drop the answer under way, for example when the data set changes."""
        with self._changed:
            self._discarded = self._generation
            self._waiting = None
            self._answer = None

    def poll(self) -> Answer[Request, Value] | None:
        """The newest answer, once, or None.

        While a drag goes on, answers to requests that have been replaced are handed out too, as they come (a frame
        during the drag); never an older one after a newer one, and never one from before `discard`.
        """
        with self._changed:
            answer, self._answer = self._answer, None
            return answer

    @property
    def busy(self) -> bool:
        """Whether there is anything to poll for: a request that waits or is worked on, or an answer not yet fetched.

        A timer that polls may stop when this is false after a poll: nothing is lost between the two.
        """
        with self._changed:
            return self._working or self._waiting is not None or self._answer is not None

    @property
    def is_superseded(self) -> bool:
        """Whether the result of the present request is no longer needed, so that a long computation may end early."""
        with self._changed:
            return self._waiting is not None or self._closed or self._working_on <= self._discarded

    def close(self, timeout: float | None = None) -> bool:
        """Take no more requests, finish the one under way and end the thread; True when it has ended."""
        with self._changed:
            self._closed = True
            self._waiting = None
            self._changed.notify_all()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._waiting is None and not self._closed:
                    self._changed.wait()
                if self._waiting is None:
                    return
                (generation, request), self._waiting = self._waiting, None
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
                    self._answer = Answer(generation, request, value, error)
                self._changed.notify_all()
