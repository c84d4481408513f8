"""Records of runs: all that repeats one, and what is kept of one that has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gsp_studio.arrays import Array
from gsp_studio.core.nmf import Edit, Params, Result
from gsp_studio.core.params import same_value
from gsp_studio.core.truth import Truth
from gsp_studio.io.atomic import ExportError
from gsp_studio.io.dataset import Dataset, LoadOptions


@dataclass(frozen=True, eq=False)
class RunRecord:
    """All that repeats a run on its data: the part that run.json and session files share.

    Attributes
    ----------
    start : Params
        The parameters that the run began with.
    interventions : sequence of (n_iter, Params or Edit)
        New parameters and edits of the basis, and the iterations after which it took them.
    backend, threads
        As requested.
    mask : ndarray (m, n) of bool or floating numbers, optional
        True where an entry was missing; or what entries counted, from 0, missing, to 1.
    fingerprint : str
        Of the data that it ran on; "" where it was not recorded.
    """

    start: Params
    interventions: Sequence[tuple[int, Params | Edit]] = ()
    backend: str = "auto"
    threads: int | None = None
    mask: Array | None = None
    fingerprint: str = ""

    def is_repeated_by(self, other: RunRecord) -> bool:
        """Whether another run has the same data, parameters, steering and backend."""
        return (
            (self.fingerprint, self.start, self.backend, self.threads)
            == (other.fingerprint, other.start, other.backend, other.threads)
            and same_value(self.mask, other.mask)
            and list(self.interventions) == list(other.interventions)
        )

    def ending_after(self, done: int) -> tuple[Params, dict[int, list[Params | Edit]]]:
        """Start and steering of a run that ends after `done` iterations, for whatever reason it ended then.

        Returns
        -------
        Params, dict of iteration to list
            As `factorize` takes them.
        """
        ending: dict[str, Any] = {"max_iter": done, "max_seconds": None, "tol": 0.0, "kkt_tol": 0.0}
        steering: dict[int, list[Params | Edit]] = {}
        for n_iter, change in self.interventions:
            if n_iter < done:
                step = replace(change, **ending) if isinstance(change, Params) else change
                steering.setdefault(n_iter, []).append(step)
        return replace(self.start, **ending), steering


@dataclass(frozen=True, eq=False, kw_only=True)
class ExportedRun(RunRecord):
    """Finished run, with all that files keep of it.

    Attributes
    ----------
    result : Result
    reason : str
        Why it ended, in words.
    versions : mapping of str to str
        Versions that computed it, from `software_versions`; empty: those of now.
    remarks : mapping, plain JSON
        Annotations: name, note, tags, basis images that were accepted and rejected.
    truth : mapping, plain JSON
        How it agrees with a reference, as `truth_file.describe_agreement` gives it; empty where there is none.
    normalized : str
        How its basis images are scaled for other programs, as "of unit sum"; "" for not at all.
    reference : Truth, optional
        That reference, where it is to be kept beside the run.
    """

    result: Result
    reason: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    remarks: Mapping[str, Any] = field(default_factory=dict)
    truth: Mapping[str, Any] = field(default_factory=dict)
    normalized: str = ""
    reference: Truth | None = None

    def as_done(self) -> tuple[Params, dict[int, list[Params | Edit]]]:
        """Start and steering of a run that ends where this one did."""
        return self.ending_after(self.result.n_iter)


@dataclass(frozen=True, eq=False, kw_only=True)
class RunFile(RunRecord):
    """Content of a run.json.

    Attributes
    ----------
    source : str
        Path of the data.
    options : LoadOptions
        ``load_dataset(source, options)`` gives the data, if they have not changed.
    content : dict
        The whole file.
    """

    source: str
    options: LoadOptions
    content: dict[str, Any]

    def as_done(self) -> tuple[Params, dict[int, list[Params | Edit]]]:
        """Start and steering of a run that ends where this one did."""
        return self.ending_after(int(self.content["result"]["iterations"]))

    def check_data(self, dataset: Dataset) -> None:
        """Raise ExportError, in one sentence, unless these are the data of the run, bit by bit."""
        if dataset.fingerprint != self.fingerprint:
            raise ExportError(
                f"{dataset.source or dataset.name} does not hold the data of this run: its fingerprint is "
                f"{dataset.fingerprint[:12]}..., the run's {self.fingerprint[:12]}..."
            )
