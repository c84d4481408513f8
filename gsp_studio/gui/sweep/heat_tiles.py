"""Tiles of a sweep's map: for every rank and sparsity a number over the seeds, where it stands, and words.

No Qt here: the map paints what these tiles say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import stdev

from gsp_studio.core.diagnosis import sparser_and_better
from gsp_studio.experiments.grid import Grid
from gsp_studio.experiments.sweep import CellState, Stage
from gsp_studio.gui.texts import duration, milliseconds, percent, plural


@dataclass(frozen=True)
class Measure:
    """Measure shown by colours: its title, the number of the seeds that are done, and how that is written."""

    title: str
    number: Callable[[Sequence[CellState]], float]
    short: Callable[[float], str]
    long: Callable[[float], str]


def _seconds(value: float) -> str:
    return milliseconds(value) if value < 60 else duration(value)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _deviation(done: Sequence[CellState]) -> float:
    return stdev(state.error for state in done) if len(done) > 1 else math.nan


MEASURES = {
    "error": Measure(
        "mean error, %",
        lambda done: _mean([state.error for state in done]),
        lambda value: f"{100 * value:.3f}",
        percent,
    ),
    "spread": Measure("spread over seeds, %", _deviation, lambda value: f"{100 * value:.3f}", percent),
    "sparsity": Measure(
        "attained sparsity",
        lambda done: _mean([state.sparsity for state in done]),
        lambda value: f"{value:.4f}",
        lambda value: f"{value:.4f}",
    ),
    "seconds": Measure(
        "time of a run",
        lambda done: _mean([state.seconds for state in done]),
        _seconds,
        _seconds,
    ),
}


@dataclass(frozen=True)
class Tile:
    """One place of the map.

    Attributes
    ----------
    row, column : int
        Index of its rank and of its sparsity.
    stage : Stage
        Of all seeds together: running before failed before queued before cancelled before done.
    value : float
        Over the seeds that are done; NaN for none.
    text : str
        The value, short; "" for none.
    done, total : int
        Seeds.
    progress : float
        Of the run that is going, 0 to 1.
    word : str
        Word in place of a number: where it is; "·" where none is to come, "–" where the seeds give none.
    seeds : sequence of CellState
    is_going : bool
        The sweep.
    beaten : str
        Name of a sparser tile of the same rank whose error is lower: this one is no good basis of its target; "" for
        none.
    """

    row: int
    column: int
    stage: Stage
    value: float
    text: str
    done: int
    total: int
    progress: float
    word: str
    seeds: Sequence[CellState]
    is_going: bool
    beaten: str = ""

    @property
    def words(self) -> str:
        """All of it, in a line."""
        done = [state for state in self.seeds if state.stage is Stage.DONE]
        beaten = f" ◥ {self.beaten} is sparser and its error is lower." if self.beaten else ""
        return f"{self.name}: {_about(done)}{_standing(self.seeds, self.stage, self.progress, self.is_going)}{beaten}"

    @property
    def name(self) -> str:
        """ "Rank 9, s = 0.7"."""
        cell = self.seeds[0].cell
        return f"Rank {cell.rank}" + ("" if cell.sparsity is None else f", s = {cell.sparsity:.4g}")


_ORDER = (Stage.RUNNING, Stage.FAILED, Stage.QUEUED, Stage.CANCELLED, Stage.DONE)


def tiles_of(grid: Grid, states: Sequence[CellState], measure: str, is_going: bool = False) -> list[Tile]:
    """The map, a tile for every rank and sparsity.

    Parameters
    ----------
    grid : Grid
    states : sequence of CellState
        In the order of the grid's cells.
    measure : str
        A key of `MEASURES`.
    is_going : bool
        Without a sweep that is going nothing is in a queue: such cells are not computed.
    """
    per_seed = len(grid.ranks) * len(grid.targets)
    tiles = []
    for place in range(per_seed):
        row, column = divmod(place, len(grid.targets))
        tiles.append(_tile(row, column, states[place::per_seed], measure, is_going, grid.base.max_iter))
    return [replace(tile, beaten=_beaten_by(tile, tiles)) for tile in tiles]


def _beaten_by(tile: Tile, tiles: Sequence[Tile]) -> str:
    """The name of the sparser tile of this rank that has a lower error, by the means of the seeds that are done."""
    rivals = [(other.name, *_point(other)) for other in tiles if other.row == tile.row and other.done]
    found = sparser_and_better(*_point(tile), rivals) if tile.done else ()
    return found[0].short.partition(" is sparser")[0] if found else ""


def _point(tile: Tile) -> tuple[float, float]:
    """Mean sparsity and error."""
    done = [state for state in tile.seeds if state.stage is Stage.DONE]
    return MEASURES["sparsity"].number(done), MEASURES["error"].number(done)


def _tile(row: int, column: int, seeds: Sequence[CellState], measure: str, is_going: bool, max_iter: int) -> Tile:
    done = [state for state in seeds if state.stage is Stage.DONE]
    stage = next(stage for stage in _ORDER if any(state.stage is stage for state in seeds))
    shown = MEASURES[measure]
    value = shown.number(done) if done else math.nan
    progress = max((state.n_iter / max_iter for state in seeds if state.stage is Stage.RUNNING), default=0.0)
    return Tile(
        row,
        column,
        stage,
        value,
        "" if math.isnan(value) else shown.short(value),
        len(done),
        len(seeds),
        progress,
        "–" if stage is Stage.DONE else "·" if stage is Stage.QUEUED and not is_going else stage.value,
        seeds,
        is_going,
    )


def _about(done: Sequence[CellState]) -> str:
    if not done:
        return ""
    error, spread, sparsity, seconds = (MEASURES[name].number(done) for name in MEASURES)
    around = "" if math.isnan(spread) else f" ± {percent(spread)}"
    over = f" over {plural(len(done), 'seed')}" if len(done) > 1 else ""
    return f"error {percent(error)}{around}{over}, sparsity {sparsity:.4f}, {_seconds(seconds)}"


def _standing(seeds: Sequence[CellState], stage: Stage, progress: float, is_going: bool) -> str:
    """Say what is missing, and why."""
    if stage is Stage.DONE:
        return "."
    said = word_of(stage, is_going)
    if stage is Stage.RUNNING:
        said = f"running, {100 * progress:.0f} %"
    elif stage is Stage.FAILED:
        said = f"failed: {next(state.text for state in seeds if state.stage is stage)}"
    some = any(state.stage is Stage.DONE for state in seeds)
    count = sum(state.stage is stage for state in seeds)
    which = f"{plural(count, 'seed')} " if len(seeds) > 1 else ""
    return ("; " if some else "") + which + said + ("" if said.endswith(".") else ".")


def word_of(stage: Stage, is_going: bool) -> str:
    """Name the stage of a cell, in a word or two."""
    return "not computed" if stage is Stage.QUEUED and not is_going else stage.value


def steps(values: Sequence[float], decimals: int) -> tuple[float, float, float]:
    """First, last and step of the coarsest even range that has all of these values; a step for one value is 0."""
    scale = 10**decimals
    whole = [round(value * scale) for value in values]
    step = math.gcd(*(b - a for a, b in pairwise(whole)))
    return whole[0] / scale, whole[-1] / scale, step / scale


def spread(first: float, last: float, step: float, decimals: int) -> tuple[float, ...]:
    """The values of an even range, its end among them where it is met."""
    scale = 10**decimals
    a, b, by = (round(value * scale) for value in (first, last, step))
    return tuple(value / scale for value in range(a, b + 1, max(1, by)))
