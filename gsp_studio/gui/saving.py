"""Between the runs of the window and what is kept of them: both ways, without Qt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.engine.run import FinishReason, Intervention, Outcome, Record, RunSpec
from gsp_studio.engine.runner import Runner
from gsp_studio.experiments.stability import BasisStability
from gsp_studio.gui import work
from gsp_studio.gui.state import Choice, Remarks, RunEntry
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.readers import load_dataset
from gsp_studio.io.recovery import forget, read_folder
from gsp_studio.io.session import SavedRun, SavedSession, SessionError, describe, read_session, write_session

__all__ = [
    "Reopened",
    "describe",
    "entry_from",
    "entry_of_cell",
    "forget",
    "is_run_of",
    "reopen",
    "save",
    "saved_of",
    "saved_so_far",
]

Array = npt.NDArray[Any]

#: Name of the deviations over seeds among the arrays of a run.
_SPREAD = "spread"


@dataclass(frozen=True, eq=False)
class Reopened:
    """A session that was read, with its data.

    Attributes
    ----------
    path : Path
        Its file, or the folder of a recovery.
    dataset : Dataset
    runs : tuple of RunEntry
    weights : ndarray (m,) or None
    state : dict
    problems : tuple of str
        What a user should know, a sentence each.
    """

    path: Path
    dataset: Dataset
    runs: tuple[RunEntry, ...]
    weights: Array | None
    state: dict[str, Any]
    problems: tuple[str, ...]


def saved_of(entry: RunEntry) -> SavedRun:
    """What is kept of a run."""
    outcome = entry.outcome
    details = _details(entry.choice, entry.origin, outcome.interventions) | entry.remarks.as_json()
    arrays = {}
    found = entry.stability
    if found is not None:
        details["stability"] = {"seeds": found.seeds, "cosine": found.cosine.tolist()}
        if found.spread is not None:
            arrays[_SPREAD] = found.spread
    return SavedRun(entry.number, entry.exported(), details, arrays)


def saved_so_far(number: int, runner: Runner, choice: Choice, origin: tuple[int, int]) -> SavedRun | None:
    """What is kept of a run that is going; None before its first iteration."""
    outcome = runner.so_far()
    if outcome is None or outcome.result is None:
        return None
    return SavedRun(number, outcome.exported(runner.spec), _details(choice, origin, outcome.interventions))


def _details(choice: Choice, origin: tuple[int, int], steps: Sequence[Intervention]) -> dict[str, Any]:
    return {"choice": asdict(choice), "origin": list(origin), "texts": [step.text for step in steps]}


def entry_from(saved: SavedRun, X: Any) -> RunEntry:
    """A run that was kept, as the window has it; ValueError when it is not one of these data."""
    run, details = saved.run, saved.details
    result = run.result
    if (result.W.shape[0], result.H.shape[1]) != X.shape:
        raise ValueError(f"run {saved.number} is one of other images")
    texts = [*details.get("texts", ()), *[""] * len(run.interventions)]
    outcome = Outcome(
        result=result,
        reason=FinishReason(run.reason),
        interventions=tuple(
            Intervention(n, change, text) for (n, change), text in zip(run.interventions, texts, strict=False)
        ),
        versions=run.versions,
    )
    history = result.history
    columns = (history.n_iter, history.error, history.sparsity, history.target, history.seconds)
    records = tuple(Record(int(row[0]), *map(float, row[1:])) for row in zip(*columns, strict=True))
    spec = RunSpec(X, run.start, run.backend, run.threads, run.mask, run.fingerprint)
    choice = choice_from(details.get("choice", {}))
    entry = work.entry_of(saved.number, choice, spec, outcome, records, tuple(details.get("origin", (0, 0))))
    return replace(entry, remarks=Remarks.from_json(details, len(result.H)), stability=_stability_from(saved))


def _stability_from(saved: SavedRun) -> BasisStability | None:
    """What further seeds made of a run's basis; None where that was not asked, or is of another basis."""
    told = saved.details.get("stability")
    if told is None:
        return None
    W, cosine, spread = saved.run.result.W, np.array(told["cosine"], float), saved.arrays.get(_SPREAD)
    if cosine.shape != W.shape[1:]:
        return None
    is_whole = spread is not None and spread.shape == W.shape
    return BasisStability(int(told["seeds"]), cosine, spread if is_whole else None)


def entry_of_cell(saved: SavedRun, number: int, X: Any) -> RunEntry:
    """The run behind a cell of a sweep, under this number; ValueError when it is not one of these data."""
    start = saved.run.start
    choice = Choice(
        start.rank,
        start.method,
        start.sparsity,
        start.seed,
        start.max_iter,
        start.sparsity_h or 0.0,
        start.init if isinstance(start.init, str) else Choice().init,
    )
    return entry_from(replace(saved, number=number, details={"choice": asdict(choice)}), X)


def is_run_of(entry: RunEntry, saved: SavedRun) -> bool:
    """Whether a run of the window is the kept one, to the last bit."""
    mine, kept = entry.outcome.result, saved.run.result
    is_alike = mine is not None and not entry.outcome.interventions and entry.spec.params == saved.run.start
    return is_alike and mine is not None and np.array_equal(mine.W, kept.W) and np.array_equal(mine.H, kept.H)


def choice_from(content: dict[str, Any]) -> Choice:
    """What the panels said; what is not known is as on the first day."""
    known = asdict(Choice())
    return Choice(**{name: type(known[name])(value) for name, value in content.items() if name in known})


def save(
    path: Path,
    dataset: Dataset,
    runs: Sequence[RunEntry],
    weights: Array | None,
    state: dict[str, Any],
    with_data: bool = False,
) -> Path:
    """Write a session file; WriteError in one sentence."""
    session = SavedSession(
        describe(dataset), dataset if with_data else None, tuple(map(saved_of, runs)), weights, state
    )
    write_session(path, session)
    return path


def reopen(
    path: Path,
    data: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Reopened:
    """Read a session file, or the folder of a recovery, and its data; `data`: where these lie now.

    Raises
    ------
    SessionError
        It cannot be read, or its images are not there.
    DatasetError
        Its images cannot be read.
    """
    saved = read_folder(path) if path.is_dir() else read_session(path)
    if not saved.data:
        raise SessionError(f"{path} does not tell where its images are")
    problems = list(saved.problems)
    dataset = saved.dataset if data is None else None
    if dataset is None:
        where = data or saved.find_data(path)
        dataset = load_dataset(where, saved.options, progress=progress, cancelled=cancelled)
        if dataset.fingerprint != saved.data["fingerprint"]:
            problems.append(f"the images in {where} are not those of the runs any more: their fingerprint differs")
    runs, newest = [], saved.state.get("remarks", {})
    for run in saved.runs:
        try:
            entry = entry_from(run, dataset.X)
            if str(entry.number) in newest:
                entry = replace(entry, remarks=Remarks.from_json(newest[str(entry.number)], len(entry.shown.H)))
            runs.append(entry)
            if entry.stability is not None and entry.stability.spread is None:
                problems.append(f"where run {run.number} differs from seed to seed cannot be read")
        except (ValueError, TypeError, KeyError) as error:
            problems.append(str(error))
    weights = saved.weights
    if weights is not None and weights.shape != (dataset.X.shape[0],):
        weights = None
        problems.append("the painted weights are of other images")
    runs.sort(key=lambda entry: entry.number)
    return Reopened(path, dataset, tuple(runs), weights, saved.state, tuple(problems))
