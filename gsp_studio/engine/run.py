"""Runs as frozen data: specification, states, records and outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.core.nmf import Edit, Iterate, Params, Result, Stop
from gsp_studio.core.nmf import Record as Record
from gsp_studio.io.run_record import ExportedRun, RunRecord


class RunState(Enum):
    """State of a run; only FINISHED and FAILED are final."""

    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    FINISHED = "finished"
    FAILED = "failed"


class FinishReason(Enum):
    """Reason why a run ended; the value is its text in messages."""

    MAX_ITER = Stop.MAX_ITER.value
    SECONDS = Stop.SECONDS.value
    TOLERANCE = Stop.TOLERANCE.value
    STATIONARY = Stop.STATIONARY.value
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, eq=False)
class RunSpec:
    """A run to do: data X, parameters, the backend (with its threads; None: all usable cores), missing entries.

    X (m, n) is an array or a `BlockMatrix`. `mask` (m, n) is True where an entry is missing; None: none is.
    `fingerprint` is that of the data set, "" where it is not needed. `scheduler` is the address of the cluster that
    computes, as for `cluster.Cluster`; "" for this computer.
    """

    X: Any
    params: Params
    backend: str = "auto"
    threads: int | None = None
    mask: npt.NDArray[Any] | None = None
    fingerprint: str = ""
    scheduler: str = ""

    @cached_property
    def missing(self) -> float:
        """Share of the entries that the mask leaves out."""
        if self.mask is None:
            return 0.0
        return float(np.mean(self.mask == 0 if self.mask.dtype.kind == "f" else self.mask))

    def has_mask_of(self, other: RunSpec) -> bool:
        """Whether another run leaves out the same entries by its mask."""
        one, two = self.mask, other.mask
        return one is two or (one is not None and two is not None and np.array_equal(one, two))

    def record(self, interventions: Sequence[Intervention] = ()) -> RunRecord:
        """Return all that repeats the run, with what it took on its way."""
        steps = tuple((step.n_iter, step.change) for step in interventions)
        return RunRecord(self.params, steps, self.backend, self.threads, self.mask, self.fingerprint)


@dataclass(frozen=True, eq=False)
class Intervention:
    """Change that a running solver took after its iteration n_iter: new parameters, or an edit of the basis.

    `text` says in words what it changed.
    """

    n_iter: int
    change: Params | Edit
    text: str = ""


@dataclass(frozen=True, eq=False)
class Outcome:
    """End of a run.

    Attributes
    ----------
    result : Result or None
        The best iterate and the history; None when no iteration was done.
    reason : FinishReason
    interventions : tuple of Intervention
        In order: with the start they repeat the run.
    error_text : str
        One sentence when the run failed, else "".
    details : str
        The traceback of a failure, for a report.
    versions : mapping of str to str
        Versions that computed it, from `io.versions.versions_now`.
    is_out_of_memory : bool
        Whether it failed because a device's memory is full: the CPU can still compute it.
    """

    result: Result | None
    reason: FinishReason
    interventions: tuple[Intervention, ...] = ()
    error_text: str = ""
    details: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    is_out_of_memory: bool = False

    def exported(self, spec: RunSpec) -> ExportedRun:
        """This run of `spec` as `export_run` writes it; ValueError when no iteration was done."""
        if self.result is None:
            raise ValueError("the run did no iteration; there is nothing to export")
        record = vars(spec.record(self.interventions))
        return ExportedRun(**record, result=self.result, reason=self.reason.value, versions=self.versions)


@dataclass(frozen=True, eq=False)
class Poll:
    """News since the last poll.

    The state, records, the newest iterate, what the solver took and, at the end, the outcome.
    """

    state: RunState
    records: tuple[Record, ...]
    iterate: Iterate | None
    outcome: Outcome | None
    interventions: tuple[Intervention, ...] = ()
