"""Changes made during a run, grouped as people remember them: a drag of the slider is one change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gsp_studio.core.edits import difference, edited_params
from gsp_studio.core.nmf import Params
from gsp_studio.engine.run import Intervention, Record
from gsp_studio.gui.state import RunEvent

#: Seconds of computing between two targets that belong to one drag.
TOGETHER = 0.5


def marks_of(start: Params, interventions: Sequence[Intervention], records: Sequence[Record]) -> tuple[RunEvent, ...]:
    """The interventions of a run that began with `start`; targets that follow one another closely are one mark.

    Parameters
    ----------
    start : Params
    interventions : sequence of Intervention
        In order.
    records : sequence of Record
        Of all iterations up to the last intervention.
    """
    marks: list[RunEvent] = []
    now = before = start  # `before`: in force before the last mark
    for step in interventions:
        n = step.n_iter
        if not isinstance(step.change, Params):
            marks.append(RunEvent(n, n, step.text))
            now = before = edited_params(step.change, now)
            continue
        new = step.change
        is_target = replace(new, sparsity=now.sparsity, sparsity_h=now.sparsity_h) == now
        last = marks[-1] if marks else None
        if is_target and last is not None and last.is_target and _seconds(records, last.last, n) < TOGETHER:
            text = difference(new, before) or "the target moved, and came back"
            marks[-1] = RunEvent(last.first, n, text, is_target=True)
        else:
            before = now
            marks.append(RunEvent(n, n, difference(new, before) or "the same parameters once more", is_target))
        now = new
    return tuple(marks)


def is_past(mark: RunEvent, records: Sequence[Record]) -> bool:
    """Whether what comes now is another mark."""
    return _seconds(records, mark.last, len(records)) >= TOGETHER


def _seconds(records: Sequence[Record], first: int, last: int) -> float:
    return records[last - 1].seconds - records[first - 1].seconds
