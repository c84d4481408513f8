"""State of the window, as frozen data. Only `Session` makes new ones; panels get them and never change them.

Light on purpose: this module is imported before the first paint, so it knows no solver.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.params import NO_ARRAYS, Params
from gsp_studio.io.annotations import Annotations

if TYPE_CHECKING:
    from gsp_studio.core.distributed.coefficients import Coefficients
    from gsp_studio.core.metrics import GramError
    from gsp_studio.engine.run import Outcome, Record, RunSpec
    from gsp_studio.experiments.stability import BasisStability
    from gsp_studio.io.run_record import ExportedRun

#: How far below its target an average may lie and still count as attained: the rounding of float32.
TOLERANCE = 1e-5
#: How much denser than a basis counts as denser: the slider rounds the basis's own sparsity down to four digits.
_LEAST_DENSER = 1e-4


@dataclass(frozen=True)
class RunSettings:
    """Settings of the next run, as the panels edit them.

    Attributes
    ----------
    params : Params
        Without weights, which are painted apart, without seeds, with nothing frozen, and with a start that has a name.
    backend : str
    """

    params: Params = field(default_factory=lambda: Params(49))
    backend: str = "auto"

    @classmethod
    def of_run(cls, params: Params, backend: str) -> RunSettings:
        """Return the settings that a run with these parameters was started with."""
        init = params.init if isinstance(params.init, str) else Params.init
        return cls(replace(params, init=init, **NO_ARRAYS), backend)

    def with_params(self, **changes: Any) -> RunSettings:
        """Return a copy with these parameters changed."""
        return replace(self, params=replace(self.params, **changes))

    def as_json(self) -> dict[str, Any]:
        """Return plain values for files, all on one level."""
        values = {**vars(self.params), "backend": self.backend}
        return {name: value for name, value in values.items() if name not in NO_ARRAYS}


@dataclass(frozen=True)
class View:
    """Options for drawing basis images: what white means ("tile", "shared" or "percentile"), colours, numbers on them.

    `spread`: where they differ from seed to seed is drawn over them, of runs of which that is known. `bars`: the bar of
    each stands under it, not in a strip of all of them. `spectra`: scale of columns of W that are spectra, a key of
    `core.unit_spectra.UNITS`; rows of H are scaled inversely.
    """

    contrast: str = "tile"
    colours: str = "grey"
    labels: bool = False
    spread: bool = True
    bars: bool = True
    spectra: str = "none"


@dataclass(frozen=True)
class Capabilities:
    """Solvers' abilities here, known once they are imported.

    Attributes
    ----------
    methods : dict of name -> (label, one line for people, whether it has a target)
    weighted : tuple of methods whose target is about weighted sparsities
    starts : dict of name -> one line for people
    backend : str
        Default backend, in words.
    backends : tuple of (name, what computes then, why it cannot)
        Known backends; the reason is "" where it can.
    memory : () -> (free, total), optional
        Bytes of the device's memory, where that has its own.
    unusable : dict of name -> why this method of another package cannot be used
    """

    methods: dict[str, tuple[str, str, bool]]
    backend: str
    starts: dict[str, str] = field(default_factory=dict)
    weighted: tuple[str, ...] = ()
    backends: tuple[tuple[str, str, str], ...] = ()
    memory: Callable[[], tuple[int, int]] | None = None
    unusable: dict[str, str] = field(default_factory=dict)


class Phase(Enum):
    """Phase of the app; the value is the text for people."""

    STARTING = "starting"
    EMPTY = "no data"
    IDLE = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling..."

    @property
    def is_run(self) -> bool:
        """Whether a run is under way."""
        return self in (Phase.RUNNING, Phase.PAUSED, Phase.CANCELLING)


@dataclass(frozen=True, eq=False)
class UnprojectedBasis:
    """The basis that the slider projects, with what gives its error for any projection.

    Attributes
    ----------
    W : ndarray (m, r)
        A dense basis: the slider can only make it sparser.
    H : ndarray (r, n), or Coefficients
        `coefficients.Coefficients` where they are so many that they stay on a cluster.
    gram : GramError
    sparsity : float
        Its own average sparsity: the mark on the slider.
    error : float
        Its own error, a fraction.
    origin : str
        Where it comes from, in words.
    sparsity_h : float
        Average sparsity of the rows of H, its own; NaN where they are on a cluster.
    weights : ndarray (m,), optional, of `sparsity` and the projections
    backend : str
        Where a large one is projected: "cpu", or the device that its run was computed on.
    fit : mapping of parameters of its run that define another error than that of free least squares
    seeds : tuple of str
        Names of the seeds that the first basis images began with.
    """

    W: Array
    H: Array | Coefficients
    gram: GramError
    sparsity: float
    error: float
    origin: str
    sparsity_h: float = 0.0
    weights: Array | None = None
    backend: str = "cpu"
    fit: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[str, ...] = ()

    def reaches(self, s: float) -> bool:
        """Whether projecting it can bring it to the target s: it can only become sparser."""
        return s >= self.sparsity - _LEAST_DENSER


@dataclass(frozen=True, eq=False)
class DisplayedBasis:
    """The basis on the screen.

    Attributes
    ----------
    W : ndarray (m, r)
    sparsities : ndarray (r,)
    energies : ndarray (r,)
        Share of each basis image in ``sum_k ||w_k||^2 ||h_k||^2``.
    order : ndarray (r,)
        Tile i shows basis image order[i].
    H : ndarray (r, n), or Coefficients
        `coefficients.Coefficients` while they are on a cluster: what is looked at has to be fetched, by a worker.
    error : float
        Of this basis with these coefficients, a fraction.
    target : float
        NaN where there is none.
    baseline : float
        Error of the pinned basis that this is a projection of, or was refined from; NaN when it is neither.
    origin : str
    projected : float
        Error of the pinned basis projected to this target where this is not that but has been refined; else NaN.
    iterations : int
        Refining iterations of both factors that it took; 0 where it has not been refined.
    is_refining, is_solved : bool
        Whether more of them are under way, and whether they have come to rest.
    solved_at : float
        Target of the solved point that this is, or is a projection of; NaN where it is of none.
    is_weighted : bool
        Whether the sparsities, and the target, are those of weighted pixels.
    sparsity_h, target_h : float
        Average sparsity of the rows of H, and what it was asked to be; NaN where it was not.
    gram : GramError, optional
        Of H.
    seeds : tuple of str
        Names of the seeds that the first basis images began with.
    """

    W: Array
    sparsities: Array
    energies: Array
    order: Array
    H: Array | Coefficients
    error: float
    target: float
    baseline: float
    origin: str
    projected: float = math.nan
    iterations: int = 0
    is_refining: bool = False
    is_solved: bool = False
    solved_at: float = math.nan
    is_weighted: bool = False
    sparsity_h: float = math.nan
    target_h: float = math.nan
    gram: GramError | None = None
    seeds: tuple[str, ...] = ()

    def seed_of(self, basis: int) -> str:
        """Name of the seed that a basis image began with, "" for none."""
        return self.seeds[basis] if 0 <= basis < len(self.seeds) else ""

    @property
    def has_coefficients(self) -> bool:
        """Whether H is in memory here."""
        return isinstance(self.H, np.ndarray)

    @property
    def attained(self) -> float:
        """Average sparsity."""
        return float(np.mean(self.sparsities))

    @property
    def meets_target(self) -> bool:
        """Whether the averages reach their targets, to rounding; True without a target."""
        return not (self.attained < self.target - TOLERANCE or self.sparsity_h < self.target_h - TOLERANCE)

    def tile_of(self, basis: int) -> int:
        """The tile that shows a basis image, -1 for none."""
        found = np.flatnonzero(self.order == basis)
        return int(found[0]) if len(found) else -1


@dataclass(frozen=True, eq=False)
class BasisPreview:
    """A large basis while the slider moves: every k-th pixel of its projection, until it rests and all are computed.

    Attributes
    ----------
    W : ndarray (m', r)
    image_shape : (height, width)
        Of these pixels.
    sparsities : ndarray (r,)
        Of the whole basis images, exact.
    order : ndarray (r,)
    target : float
    tops : ndarray (r,), optional
        Where a device made it: W is of type uint8 then, all pixels as greys with the largest one white, its columns in
        `order`; these are the values of white.
    """

    W: Array
    image_shape: tuple[int, int]
    sparsities: Array
    order: Array
    target: float
    tops: Array | None = None

    @property
    def attained(self) -> float:
        """Average sparsity."""
        return float(np.mean(self.sparsities))


@dataclass(frozen=True, eq=False)
class PathCurve:
    """Cost of projecting the pinned basis, from its own sparsity to 1, its coefficients as they are.

    Attributes
    ----------
    s, errors : ndarray (k,)
        Rising sparsities, and the error at each, a fraction.
    lost : ndarray (k,) of int
        How many basis images are zero or have one pixel left.
    rank : int
        Of so many.
    knee : float
        Up to where sparsity costs little, see `core.knee`; NaN without one, and until the curve is complete.
    origin : str
        Where the pinned basis comes from, in words.
    """

    s: Array
    errors: Array
    lost: Array
    rank: int
    knee: float
    origin: str


@dataclass(frozen=True)
class RunEvent:
    """A change to a run after iteration `first`, or from there to `last` while the slider moved.

    `text` says what; `is_target`: it was nothing but the target.
    """

    first: int
    last: int
    text: str
    is_target: bool = False

    @property
    def line(self) -> str:
        """Iterations and text, for people."""
        when = f"iteration {self.first}" if self.first == self.last else f"iterations {self.first} to {self.last}"
        return f"{when}: {self.text}"


@dataclass(frozen=True)
class Progress:
    """Progress of a run: iteration, its end, seconds an iteration, seconds computed, number of a trial (0: none)."""

    n_iter: int = 0
    max_iter: int = 1
    each: float = 0.0
    elapsed: float = 0.0
    trial: int = 0

    @property
    def left(self) -> float:
        """Seconds left, by the mean so far."""
        return self.each * (self.max_iter - self.n_iter)


#: Ends of runs in a word, where they have a longer text.
_STATES = {
    "all iterations done": "done",
    "cancelled": "stopped",
    "the error no longer improves": "converged",
    "the gradient residual is small": "stationary",
    "time is up": "out of time",
}


@dataclass(frozen=True, eq=False)
class RunEntry:
    """A run of this session: everything that shows it again."""

    number: int
    choice: RunSettings
    label: str
    spec: RunSpec
    outcome: Outcome
    records: tuple[Record, ...]
    pinned: UnprojectedBasis
    shown: DisplayedBasis
    marks: tuple[RunEvent, ...] = ()
    #: Number of the run whose first iterations it shares, and how many these are; 0 where it began with its factors.
    origin: tuple[int, int] = (0, 0)
    remarks: Annotations = field(default_factory=Annotations)
    #: Stability of its basis images over seeds, where that has been asked.
    stability: BasisStability | None = None

    @property
    def name(self) -> str:
        """Name for people."""
        return self.remarks.name or f"Run {self.number}"

    def exported(self) -> ExportedRun:
        """Return it for exports."""
        return replace(self.outcome.exported(self.spec), remarks=self.remarks.as_json())

    @property
    def seconds(self) -> float:
        """Time computing."""
        return self.records[-1].seconds if self.records else 0.0

    @property
    def state(self) -> str:
        """Outcome in a word."""
        return _STATES.get(self.outcome.reason.value, self.outcome.reason.value)
