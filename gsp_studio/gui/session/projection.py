"""The pinned basis at any sparsity: at once when it is small, in a worker where the newest request wins when not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gsp_studio.engine.latest import LatestOnly

if TYPE_CHECKING:
    from gsp_studio.gui.state import Glimpse, Pinned, Shown

#: Entries of a basis up to which a projection fits into the event that asked for it; larger ones go to a worker.
SAME_EVENT = 400_000


class Projecting:
    """Projects what is pinned with the `Projector` of `work`."""

    def __init__(self, work: Any) -> None:
        self._work = work
        self._projector: Any = None
        self._compiled: set[Any] = set()  # types of which the kernels are there
        self._worker: LatestOnly[tuple[Any, float, float], Shown] = LatestOnly(_show, name="gsp-project")

    @property
    def projector(self) -> Any:
        """The `Projector` of what is pinned, or None."""
        return self._projector

    @property
    def is_busy(self) -> bool:
        """Whether the worker has a request before it, or an answer for `poll`."""
        return self._worker.is_busy

    def pin(self, pinned: Pinned | None, dataset: Any = None, order: Any = None) -> None:
        """Project this basis from now on, its tiles in this order; None: no basis. Answers for another are dropped."""
        self._worker.discard()
        self._projector = None if pinned is None else self._work.Projector(pinned, dataset, order)

    def discard(self) -> None:
        """Nobody wants the answers to what was asked any more."""
        self._worker.discard()

    def hold(self, held: Mapping[int, float]) -> None:
        """Hold these basis images at these sparsities from now on."""
        self._worker.discard()
        self._projector = self._projector.holding(held)

    def request(self, s: float, s_h: float = 0.0) -> Shown | None:
        """The basis at s; None when that takes longer than an event may: `poll` brings the answer then."""
        W = self._projector.pinned.W
        # Other coefficients need a product with the data.
        if W.size <= SAME_EVENT and W.dtype in self._compiled and s_h == 0.0:
            return _show((self._projector, s, s_h))
        self._worker.submit((self._projector, s, s_h))
        return None

    def glimpse(self, s: float) -> Glimpse | None:
        """A part of a large basis at s, in this event; None where the whole is as quick, or nothing is sorted yet."""
        projector = self._projector
        if not projector.is_large:
            return None
        glimpse: Glimpse = projector.glimpse(s)
        return glimpse

    def poll(self) -> tuple[Shown | None, Exception | None]:
        """The newest answer of the worker or its error, once; (None, None) where there is none."""
        answer = self._worker.poll()
        if answer is None or answer.request[0] is not self._projector:
            return None, None
        self._compiled.add(self._projector.pinned.W.dtype)
        return answer.value, answer.error

    def close(self, timeout: float) -> bool:
        """End the worker; True when it has ended."""
        return self._worker.close(timeout)


def _show(request: tuple[Any, float, float]) -> Shown:
    projector, s, s_h = request
    shown: Shown = projector.show(s, s_h)
    return shown
