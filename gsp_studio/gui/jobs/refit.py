"""Refits in the background when the slider rests: of the coefficients, or of both factors where it went denser."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from gsp_studio.engine.latest import LatestOnly
from gsp_studio.gui.jobs.short_fit import WarmFit

if TYPE_CHECKING:
    from gsp_studio.engine.run import Outcome
    from gsp_studio.engine.runner import Runner
    from gsp_studio.gui.state import Pinned, Shown

#: Seconds after which a refit is told of; most are through before anybody could read it.
_TOLD_AFTER = 0.2


class Refitting:
    """One refit at a time; what is dropped ends after its sweeps or its iteration, and nobody sees it."""

    def __init__(self, work: Any) -> None:
        self._worker: LatestOnly[tuple[Any, ...], Shown | None] = LatestOnly(_refit, name="gsp-refit")
        self._work = work
        self._denser = WarmFit()
        self._unwanted = threading.Event()
        self._began: float | None = None  # None: nothing is under way

    @property
    def is_running(self) -> bool:
        """Whether a refit that counts is under way."""
        return self._began is not None

    @property
    def takes_long(self) -> bool:
        """Whether it has been under way for so long that somebody wants to know."""
        return self._began is not None and (self._denser.is_running or time.monotonic() - self._began > _TOLD_AFTER)

    def coefficients(self, X: Any, pinned: Pinned, shown: Shown) -> None:
        """Refit the coefficients to the basis that is shown; `poll` brings it as another `Shown`."""
        self.drop()
        self._began, self._unwanted = time.monotonic(), threading.Event()
        self._worker.submit((self._work, X, pinned, shown, self._unwanted))

    def both(self, runner: Runner) -> None:
        """Run a short fit of both factors; `poll` brings its outcome."""
        self.drop()
        self._began = time.monotonic()
        self._denser.start(runner)

    def drop(self) -> bool:
        """Let go of the refit under way; whether there was one."""
        was_running, self._began = self.is_running, None
        if was_running:
            self._unwanted.set()
            self._worker.discard()
            self._denser.retire()
        return was_running

    def poll(self) -> Shown | Outcome | Exception | None:
        """What has come out, once: coefficients as a `Shown`, a fit of both factors as an `Outcome`, or an error."""
        outcome = self._denser.poll()
        answer = self._worker.poll()
        if self._began is None or (outcome is None and answer is None):
            return None
        self._began = None
        if answer is not None:
            return answer.error or answer.value
        return outcome

    def close(self, timeout: float) -> bool:
        """Stop and wait; True when no thread is left."""
        self.drop()
        ended = [self._worker.close(timeout), self._denser.close(timeout)]
        return all(ended)


def _refit(request: tuple[Any, ...]) -> Shown | None:
    work, X, pinned, shown, unwanted = request
    refitted: Shown | None = work.refitted(X, pinned, shown, unwanted.is_set)
    return refitted
