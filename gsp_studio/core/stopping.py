"""Conditions that end a run, and their reasons."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from gsp_studio.core.params import Params

#: Iterations over which an improvement is measured, and after which the gradient residual is looked at again.
WINDOW = 10


class Stop(Enum):
    """Reason for a solver's end; the value is the text for people."""

    MAX_ITER = "all iterations done"
    SECONDS = "time is up"
    TOLERANCE = "the error no longer improves"
    STATIONARY = "the gradient residual is small"


class StoppingMeasures(Protocol):
    """The numbers of an iterate that may end a run."""

    @property
    def n_iter(self) -> int:
        """Iterations done."""

    @property
    def error(self) -> float:
        """Relative error."""

    @property
    def seconds(self) -> float:
        """Time computing."""


class StoppingRule:
    """Watches one run."""

    def __init__(self) -> None:
        self._errors: list[float] = []
        self._first_residual = 0.0

    def restart(self) -> None:
        """Forget the errors so far: other parameters have other errors."""
        self._errors = []

    def reason(
        self, it: StoppingMeasures, params: Params, settles: float, residual: Callable[[], float]
    ) -> Stop | None:
        """Return why the run ends after an iteration, None if it goes on.

        Parameters
        ----------
        it : StoppingMeasures
        params : Params
        settles : float
            The iteration until which the error may rise.
        residual : () -> float
            Called only if needed.
        """
        if it.n_iter >= params.max_iter:
            return Stop.MAX_ITER
        if params.max_seconds is not None and it.seconds >= params.max_seconds:
            return Stop.SECONDS
        if it.n_iter < settles:
            self.restart()
            return None
        if params.tol > 0 and self._no_longer_improves(it.error, params.tol):
            return Stop.TOLERANCE
        if params.kkt_tol > 0 and self._is_stationary(it.n_iter, params, residual):
            return Stop.STATIONARY
        return None

    def _no_longer_improves(self, error: float, tol: float) -> bool:
        self._errors.append(error)
        if len(self._errors) <= WINDOW:
            return False
        before = min(self._errors[:-WINDOW])
        now = min(self._errors[-WINDOW:])
        self._errors = [before, *self._errors[-WINDOW:]]  # the best so far stands for all that left the window
        return before - now < tol * before

    def _is_stationary(self, n_iter: int, params: Params, residual: Callable[[], float]) -> bool:
        if self._first_residual == 0.0:
            self._first_residual = residual()
            return self._first_residual == 0.0
        return n_iter % WINDOW == 0 and residual() <= params.kkt_tol * self._first_residual
