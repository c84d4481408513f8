"""Between the runs of the window and what is kept of them: both ways, without Qt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.matching import chance_cosines
from gsp_studio.core.seeds import Seed
from gsp_studio.core.truth import Truth
from gsp_studio.engine.run import FinishReason, Intervention, Outcome, RunSpec
from gsp_studio.engine.runner import Runner
from gsp_studio.experiments.stability import BasisStability
from gsp_studio.gui.jobs import compute
from gsp_studio.gui.session_file.seed_texts import seeds_from_json
from gsp_studio.gui.session_file.window_state import (
    WindowState,
    read_origin,
    read_remarks,
    read_state,
    read_texts,
)
from gsp_studio.gui.state import RunEntry
from gsp_studio.io.dataset import Dataset, DatasetError, LoadOptions
from gsp_studio.io.hdf5_content import SessionError
from gsp_studio.io.mask_text import KeptMask, mask_from_json
from gsp_studio.io.readers import load_dataset
from gsp_studio.io.recovery import read_folder
from gsp_studio.io.reference_text import reference_from_json
from gsp_studio.io.saved_run import SavedRun
from gsp_studio.io.session_file import SavedSession, describe, read_session, write_session

#: Name of the deviations over seeds among the arrays of a run.
_SPREAD = "spread"
#: Detail of a run that was going when it was written.
_IS_GOING = "is_going"
#: Of a run, as file names have room for.
_LAST_NUMBER = 999_999


@dataclass(frozen=True, eq=False)
class RestoredSession:
    """A session that was read, with its data.

    Attributes
    ----------
    path : Path
        Its file, or the folder of a recovery.
    dataset : Dataset
    runs : tuple of RunEntry
    weights : ndarray (m,) or None
    state : WindowState
    problems : tuple of str
        Notes to the user, a sentence each.
    has_data : bool
        Whether the images are those that are copied into the file.
    refined : RunEntry or None
        The run that made the refined basis on the screen, which was in no list.
    interrupted : int
        Number of the run that was going when what a recovery brings was written, 0 for none.
    is_whole : bool
        Whether the window has all runs, weights and images of the file: only then may they be written in its place.
    seeds : tuple of Seed
        Of the next run.
    reference : (Truth or None, str)
        What results are compared with, and where it comes from.
    mask : KeptMask or None
        Of the next run.
    """

    path: Path
    dataset: Dataset
    runs: tuple[RunEntry, ...]
    weights: Array | None
    state: WindowState
    problems: tuple[str, ...]
    has_data: bool = False
    is_whole: bool = True
    refined: RunEntry | None = None
    interrupted: int = 0
    seeds: tuple[Seed, ...] = ()
    reference: tuple[Truth | None, str] = (None, "")
    mask: KeptMask | None = None


def saved_of(entry: RunEntry) -> SavedRun:
    """Return a run to save."""
    outcome = entry.outcome
    details = _details(entry.origin, outcome.interventions) | entry.remarks.as_json()
    arrays = {}
    found = entry.stability
    if found is not None:
        details["stability"] = {"seeds": found.seeds, "cosine": found.cosine.tolist(), "chance": found.chance.tolist()}
        if found.spread is not None:
            arrays[_SPREAD] = found.spread
    return SavedRun(entry.number, entry.exported(), details, arrays)


def saved_so_far(number: int, runner: Runner, origin: tuple[int, int]) -> SavedRun | None:
    """Return the part of a running run to save; None before iteration 1."""
    outcome = runner.so_far()
    if outcome is None or outcome.result is None:
        return None
    details = _details(origin, outcome.interventions) | {_IS_GOING: True}
    return SavedRun(number, outcome.exported(runner.spec), details)


def _details(origin: tuple[int, int], steps: Sequence[Intervention]) -> dict[str, Any]:
    return {"origin": list(origin), "texts": [step.text for step in steps]}


def entry_from(saved: SavedRun, X: Any, problems: list[str] | None = None) -> RunEntry:
    """Show a run that was kept as the window has it.

    Parameters
    ----------
    saved : SavedRun
    X : ndarray (m, n), or BlockMatrix
    problems : list of str, optional
        Gets a sentence for everything beside the run that is odd; the run itself is whole then.

    Raises
    ------
    ValueError
        It is no run of these data, or its arrays do not fit together.
    """
    problems = [] if problems is None else problems
    run, details, about = saved.run, saved.details, f"run {saved.number}"
    result = run.result
    if (len(result.W), result.H.shape[-1]) != X.shape:
        raise ValueError(f"run {saved.number} is one of other images")
    texts = [*read_texts(details.get("texts", []), about, problems), *[""] * len(run.interventions)]
    outcome = Outcome(
        result=result,
        reason=FinishReason(run.reason),
        interventions=tuple(
            Intervention(n, change, text) for (n, change), text in zip(run.interventions, texts, strict=False)
        ),
        versions=run.versions,
    )
    spec = RunSpec(X, run.start, run.backend, run.threads, run.mask, run.fingerprint)
    origin = read_origin(details.get("origin", [0, 0]), about, problems)
    entry = compute.entry_of(saved.number, spec, outcome, result.history.records(), origin)
    remarks = read_remarks(details, len(result.H), about, problems)
    return replace(entry, remarks=remarks, stability=_stability_from(saved, problems))


def _stability_from(saved: SavedRun, problems: list[str]) -> BasisStability | None:
    """Find the run's stability among its details; None where it is not there, or is of another basis."""
    told = saved.details.get("stability")
    if told is None:
        return None
    W, spread = saved.run.result.W, saved.arrays.get(_SPREAD)
    try:
        seeds, cosine = int(told["seeds"]), np.array(told["cosine"], float)
        # Versions before this one kept the cosines alone.
        chance = np.array(told["chance"], float) if "chance" in told else chance_cosines(W)
        are_whole = (part.shape == W.shape[1:] and bool(np.isfinite(part).all()) for part in (cosine, chance))
        is_usable = seeds > 0 and all(are_whole)
    except (TypeError, ValueError, KeyError, OverflowError):
        is_usable = False
    if not is_usable:
        problems.append(f"run {saved.number}: how stable its basis images are cannot be read")
        return None
    is_whole = spread is not None and spread.shape == W.shape and spread.dtype.kind == "f"
    if not is_whole:
        problems.append(f"where run {saved.number} differs from seed to seed cannot be read")
    return BasisStability(seeds, cosine, chance, spread if is_whole else None)


def is_run_of(entry: RunEntry, saved: SavedRun) -> bool:
    """Whether a run of the window is the kept one, to the last bit."""
    mine, kept = entry.outcome.result, saved.run.result
    is_alike = mine is not None and not entry.outcome.interventions and entry.spec.params == saved.run.start
    return is_alike and mine is not None and np.array_equal(mine.W, kept.W) and np.array_equal(mine.H, kept.H)


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
) -> RestoredSession:
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
    problems, is_copy = list(saved.problems), data is None and saved.dataset is not None
    # What the window showed can be made again; a run, weights or a copy of images that is left out cannot.
    is_whole = all(problem.startswith("what the window showed") for problem in problems)
    if is_copy:
        assert saved.dataset is not None
        dataset = saved.dataset
    else:
        where, options = _source_of(saved, path, data)
        dataset = load_dataset(where, options, progress=progress, cancelled=cancelled)
        if dataset.fingerprint != saved.data.get("fingerprint"):
            problems.append(f"the images in {where} are not those of the runs any more: their fingerprint differs")
    state = read_state(saved.state, min(dataset.X.shape), problems)
    told = saved.state if isinstance(saved.state, dict) else {}
    seeds = seeds_from_json(told.get("seeds", []), len(dataset.X), problems)
    reference = reference_from_json(told.get("reference"), dataset.X.shape, problems)
    mask = mask_from_json(told.get("mask"), dataset.X.shape, problems)
    numbered = _number(saved.runs, problems)
    runs = [run for run in (_adopt(run, dataset.X, state, problems) for run in numbered) if run is not None]
    weights = saved.weights
    if weights is not None and not _are_weights(weights, dataset.X.shape[0]):
        weights, is_whole = None, False
        problems.append("the painted weights are of other images, or damaged")
    runs.sort(key=lambda entry: entry.number)
    is_whole = is_whole and len(runs) == len(saved.runs)
    refined = next((run for run in runs if run.number == state.refined_run), None)
    runs = [run for run in runs if run is not refined]
    if refined is not None and sorted(state.order) == list(range(len(refined.shown.order))):
        refined = replace(refined, shown=replace(refined.shown, order=np.array(state.order)))
    interrupted = max((run.number for run in numbered if run.details.get(_IS_GOING) is True), default=0)
    interrupted = interrupted if any(run.number == interrupted for run in runs) else 0
    return RestoredSession(
        path,
        dataset,
        tuple(runs),
        weights,
        state,
        tuple(problems),
        has_data=is_copy,
        is_whole=is_whole,
        refined=refined,
        interrupted=interrupted,
        seeds=seeds,
        reference=reference,
        mask=mask,
    )


def _source_of(saved: SavedSession, path: Path, data: Path | None) -> tuple[Path, LoadOptions]:
    """Find the images of a session and how they are read; SessionError."""
    try:
        return data or saved.find_data(path), saved.options
    except (KeyError, TypeError, AttributeError, DatasetError) as error:
        raise SessionError(f"{path} does not tell where its images are, or how they are read") from error


def _number(runs: Sequence[SavedRun], problems: list[str]) -> list[SavedRun]:
    """Give runs whose number is odd, or another one's, a new one."""
    taken: dict[int, SavedRun] = {}
    for run in runs:
        number = run.number
        if number in taken or not 0 < number <= _LAST_NUMBER:
            number = next(free for free in range(1, _LAST_NUMBER) if free not in taken)
            problems.append(f"a run has the number {run.number:.6g}, which is odd or that of another one: now {number}")
        taken[number] = replace(run, number=number)
    return list(taken.values())


def _adopt(run: SavedRun, X: Any, state: WindowState, problems: list[str]) -> RunEntry | None:
    """Make a run of the file one of the window; None, and a sentence more, where it is damaged."""
    try:
        entry = entry_from(run, X, problems)
    except ValueError as error:
        problems.append(str(error))
        return None
    except Exception as error:  # a file may bring anything, and the other runs are wanted all the same
        problems.append(f"run {run.number} is damaged ({type(error).__name__}: {error})")
        return None
    newest = state.remarks.get(str(entry.number))
    if newest is None:
        return entry
    about = f"what was written beside run {entry.number}"
    return replace(entry, remarks=read_remarks(newest, len(entry.shown.H), about, problems))


def _are_weights(weights: Array, count: int) -> bool:
    is_image = weights.shape == (count,) and weights.dtype.kind in "fiu"
    return is_image and bool(np.isfinite(weights).all() and weights.min() >= 0 and weights.max() > 0)
