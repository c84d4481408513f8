"""The parameters of a run as one frozen value, each with its label, its help and its range.

The window, the command line and the checks read these from `PARAMETERS`; light, as the window imports it first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

_WHOLE, _NUMBER = (int, np.integer), (int, float, np.integer, np.floating)

#: Weights are computed with as they are up to this power of two, and down to its inverse.
_ORDINARY = 32


@dataclass(frozen=True)
class Range:
    """Numbers that a parameter accepts, from `low` to `high`.

    Attributes
    ----------
    low, high : float
    is_whole : bool
    without : "low" | "high", optional
        The end that is not accepted itself.
    none : str
        Meaning of None; "" where a number is needed.
    step : float
        Step of the arrows of a field in the window.
    most : float
        Largest number that the window offers.
    """

    low: float = 0
    high: float = math.inf
    is_whole: bool = True
    without: Literal["low", "high"] | None = None
    none: str = ""
    step: float = 1
    most: float = 1_000_000

    def holds(self, value: Any) -> bool:
        """Whether the parameter accepts a value; NaN is refused."""
        if value is None:
            return bool(self.none)
        if isinstance(value, bool) or not isinstance(value, _WHOLE if self.is_whole else _NUMBER):
            return False
        is_end = (self.without == "low" and value == self.low) or (self.without == "high" and value == self.high)
        return bool(self.low <= value <= self.high) and not is_end

    @property
    def words(self) -> str:
        """Accepted values, for messages."""
        if math.isinf(self.high):
            kind = "a whole number" if self.is_whole else "a number"
            return f"{kind} {'>' if self.without == 'low' else '>='} {self.low:g}{self._or_none}"
        upto = " up to, but not including," if self.without == "high" else " to"
        return f"a number from {self.low:g}{upto} {self.high:g}{self._or_none}"

    @property
    def _or_none(self) -> str:
        return f", or None for {self.none}" if self.none else ""


@dataclass(frozen=True)
class Parameter:
    """Description of a parameter for people.

    Attributes
    ----------
    label : str
        Its name in the window.
    help : str
        Tool tip and help of the command line, one sentence without capital and full stop.
    range : Range, optional
        Of numbers.
    is_flag : bool
        Whether the command line has it.
    metavar : str
        Its value in the help of the command line.
    bare : (max_iter) -> int, optional
        Value where the command line gives the flag alone.
    """

    label: str
    help: str
    range: Range | None = None
    is_flag: bool = True
    metavar: str | None = None
    bare: Callable[[int], int] | None = None

    @property
    def sentence(self) -> str:
        """The help as a sentence."""
        return f"{self.help[0].upper()}{self.help[1:]}."


def _describe(default: Any, *about: Any, **named: Any) -> Any:
    return field(default=default, metadata={"parameter": Parameter(*about, **named)})


_FRACTION = Range(0, 1, is_whole=False, step=0.05)
_TOLERANCE = Range(0, 1, is_whole=False, without="high", step=0.01)


@dataclass(frozen=True, eq=False)
class Params:
    """The parameters of a run.

    Attributes
    ----------
    rank : int
        Number of basis images r, 1 <= r <= min(m, n).
    method : str
        A key of `METHODS`.
    sparsity : float
        Target s in [0, 1] for the average Hoyer sparsity of the basis; methods without a target ignore it.
    seed : int
        Seed of the start.
    max_iter : int
        Outer iterations at most.
    init : "random" | "nndsvd" | "nndsvda" | "nndsvdar" | "images" | (W0, H0)
        The start, see `initialization.initial_factors`; scaled by ``<W0'X, H0> / <W0'W0, H0 H0'>``. The factors of
        another run go on from there.
    weights : ndarray (m,) or (m, r), optional
        For `wsnmf` and `wgsphals`: what it costs to use a pixel, shared by all basis images or one column each; >= 0.
    sparsity_h : float, optional
        Target for the average Hoyer sparsity of the rows of H; None leaves them free.
    continuation : int
        Iterations over which the target rises evenly from 0 to `sparsity`. A basis that starts dense and is made
        sparse slowly ends with a lower error at moderate targets (two fifths of `max_iter` take CBCL at 0.85 from
        9.49 % to 9.25 %) and with a higher one near 1 (CBCL at 0.95 from 19.3 % to 20.6 %).
        For `gsphals` and `wgsphals`, whose iterates all meet `sparsity`, the iterations in which ways to it are tried
        (`core.trials`); 0 stands for 200, and for none where the start is given as factors, 1 to 19 for none.
    max_seconds : float, optional
        Stop after so much time computing. Such a run is repeated by its number of iterations.
    tol : float
        Stop when the best error of the last 10 iterations is not lower than the best before by this fraction of it.
        0 never stops.
    kkt_tol : float
        Stop when the projected-gradient residual of both factors is this fraction of the first one's; looked at
        every 10 iterations, as it costs a pass over X. 0 never stops.
    reseed_dead : bool
        Give a basis image that has died (all zero, or used by no image) the worst residual of an image for a new
        start. Dead ones are reported either way, in `Iterate.dead`.
    seed_basis : ndarray (m, k), optional
        Seeds: the first k columns of W0, >= 0, none of them zero, k <= `rank`; the other columns are those of `init`,
        and H0 is fitted to all. Shared-price methods try no ways to the target then.
    seed_hold : str
        How seeds are treated, see `core.seeds.HOLDS`: "free", "first" or "always"; one for all, or one for each,
        separated by commas.
    seed_names : tuple of str
        Where each seed comes from, for people; empty where that is not known.
    frozen : tuple of int
        Basis images that keep their pixels, bit for bit; the others share what these leave of the target's budget.
        Changed in a run, it is what freezes and releases them.
    n_sweeps : int
        Most HALS sweeps of one factor's update.
    n_steps : int
        Most fast gradient steps of one factor's update, and most sweeps of `gsphals` over the basis. For the basis
        they cost O(m r^2), the images' number does not enter: twice the paper's 10 take CBCL from 9.9 % to 9.5 % in
        the same 500 iterations.
    inner_tol : float
        A factor's update ends when a step moves less than this fraction of its first step.
    extrapolate : bool
        `ahals` and `nenmf` update both factors, `gsphals` and `wgsphals` the coefficients, from a point ahead of the
        last iterate (`core.momentum`); other methods never do. The paper's A-HALS does not.
    held_out : float
        Share of the known entries that are left out by `seed`, and predicted: the error there, in
        `Iterate.held_out_error`, says whether a fit describes more than the entries that it has seen. 0 for none.
        Fixed while a run goes on.
    poisson : bool
        Least squares of counts: entries are divided by the roots of the means of their pixel and their image, which
        gives all the same noise, and the factors are scaled back (`core.scaling`). Errors are those of the scaled data,
        targets those of the basis that is scaled back. Fixed while a run goes on.
    sum_to_one : float
        Whether the coefficients of each image sum to one, as the shares of materials in a pixel do: 0 leaves them
        free, 1 makes it exact, values between draw them there by a penalty of ``sum_to_one / (1 - sum_to_one)`` times
        the mean squared length of a basis image (`core.abundances`). Fixed while a run goes on.
    """

    rank: int = _describe(
        MISSING,
        "Rank",
        "number of basis images; each image of the data becomes a sum of these with nonnegative coefficients",
        Range(1, most=99_999),
    )
    method: str = _describe("gsphals", "Method", "the method")
    sparsity: float = _describe(0.85, "Sparsity", "average Hoyer sparsity of the basis, 0 to 1", _FRACTION)
    seed: int = _describe(
        0, "Seed", "seed of the random start; the same seed gives the same run", Range(most=2**31 - 1)
    )
    max_iter: int = _describe(
        500, "Iterations", "outer iterations at most; each updates basis and coefficients", Range(1, step=100)
    )
    init: Any = _describe("random", "Start", "the start of the factors", metavar="START")  # noqa: RUF009
    weights: Any = _describe(  # noqa: RUF009
        None, "Weights", "cost of using each pixel, for wsnmf and wgsphals; a grey image or .npy", metavar="FILE"
    )
    sparsity_h: float | None = _describe(
        None,
        "Sparsity of H",
        "average sparsity of the coefficients' rows",
        replace(_FRACTION, none="free coefficients"),
        metavar="S",
    )
    continuation: int = _describe(
        0,
        "Rise",
        "raise the target to its value over N iterations; lower errors at moderate targets, higher ones near 1; "
        "of gsphals and wgsphals the iterations of the ways that they try",
        Range(),
        metavar="N",
        bare=lambda max_iter: 2 * max_iter // 5,
    )
    max_seconds: float | None = _describe(
        None,
        "Seconds",
        "stop after so much time computing",
        Range(is_whole=False, without="low", none="no limit"),
        metavar="T",
    )
    tol: float = _describe(1e-5, "Tolerance", "stop when 10 iterations gain less than this fraction", _TOLERANCE)
    kkt_tol: float = _describe(0.0, "Stationarity", "stop at this fraction of the gradient residual", _TOLERANCE)
    reseed_dead: bool = _describe(False, "Re-seed", "start basis images that died anew")
    seed_basis: Any = _describe(None, "Seeds", "basis images that the run begins with", is_flag=False)  # noqa: RUF009
    seed_hold: str = _describe(
        "free",
        "Hold seeds",
        "whether seeds are free, held for the first iterations or always held: free, first, always, or one for each "
        "seed, separated by commas",
        is_flag=False,
        metavar="HOLD",
    )
    seed_names: tuple[str, ...] = _describe((), "Names of seeds", "where each seed comes from", is_flag=False)
    frozen: tuple[int, ...] = _describe((), "Frozen", "basis images that keep their pixels", is_flag=False)
    n_sweeps: int = _describe(10, "Sweeps", "most HALS sweeps of one factor's update", Range(1), is_flag=False)
    n_steps: int = _describe(20, "Steps", "most gradient steps of one factor's update", Range(1), is_flag=False)
    inner_tol: float = _describe(
        0.1, "Inner tolerance", "end an update at this fraction of its first step", _TOLERANCE, is_flag=False
    )
    extrapolate: bool = _describe(True, "Extrapolate", "go ahead along the last step where the method can")
    held_out: float = _describe(
        0.0,
        "Held out",
        "share of the entries, drawn by the seed, that the fit does not see and that are predicted; 0 for none",
        Range(0, 0.5, is_whole=False),
        metavar="SHARE",
    )
    poisson: bool = _describe(
        False, "Poisson scaling", "weigh entries as counts: by the roots of the means of pixels and images"
    )
    sum_to_one: float = _describe(
        0.0,
        "Sum to one",
        "make the coefficients of each image sum to one: 0 leaves them free, 1 is exact, values between are soft",
        _FRACTION,
        metavar="SHARE",
    )

    def __post_init__(self) -> None:
        """Keep a list of basis images as a tuple, which cannot change."""
        given: Any = self.frozen
        if isinstance(given, list):
            object.__setattr__(self, "frozen", tuple(given))

    def __eq__(self, other: object) -> bool:
        """Equal in every field; arrays entry by entry."""
        if not isinstance(other, Params):
            return NotImplemented
        return all(same_value(value, getattr(other, name)) for name, value in vars(self).items())

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash

    def with_factors(self, W: Any, H: Any, **changes: Any) -> Params:
        """Those of a run that begins with factors and goes straight on from them; `changes` of other fields."""
        begun = {"rank": len(H), "init": (W, H), "continuation": 0, **NO_SEEDS}
        return replace(self, **{**begun, **changes})

    def unusual(self, without: Collection[str] = ()) -> dict[str, Any]:
        """Values that are not the defaults, by name; `without` are left out."""
        usual = Params(self.rank)
        values = {name: value for name, value in vars(self).items() if name not in without}
        return {name: value for name, value in values.items() if not same_value(value, getattr(usual, name))}

    def target_at(self, n_iter: int) -> float:
        """The target in force at iteration `n_iter`, 1 for the first: `sparsity`, or on its way there."""
        if n_iter >= self.continuation:
            return self.sparsity
        return self.sparsity * n_iter / self.continuation


#: Values of the parameters of seeds without any.
NO_SEEDS: dict[str, Any] = {"seed_basis": None, "seed_hold": "free", "seed_names": ()}
#: Parameters that belong to the images of one data set, and their values without any.
NO_ARRAYS: dict[str, Any] = {"weights": None, "frozen": (), **NO_SEEDS}
#: Description of each parameter, by name.
PARAMETERS: dict[str, Parameter] = {part.name: part.metadata["parameter"] for part in fields(Params)}


def flag_of(name: str, is_on: bool = True) -> str:
    """Name of a parameter on the command line; of a switch, what turns it on or off."""
    return f"--{'' if is_on else 'no-'}{name.replace('_', '-')}"


def same_value(a: Any, b: Any) -> bool:
    """Whether two values of a parameter are equal; arrays entry by entry."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same_value, a, b))
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return a is b or (a is not None and b is not None and np.array_equal(a, b))
    return bool(a == b)


def row_weights(params: Params, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """`Params.weights` as the projection takes them: (m,), or a row for each basis image (r, m)."""
    return np.ascontiguousarray(ordinary_weights(np.asarray(params.weights)).T, dtype=dtype)


def ordinary_weights(weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Weights (m,) or (m, r), finite, of a size whose squares are numbers: only the ratios of a column count.

    Columns with a largest value outside of ``2**-32`` to ``2**32`` are divided by a power of two near it, in float64;
    others keep their bits.
    """
    _, exponents = np.frexp(weights.max(axis=0).astype(np.float64))
    far = np.abs(exponents) > _ORDINARY
    if not np.any(far):
        return weights
    nearer: npt.NDArray[Any] = np.ldexp(weights.astype(np.float64), np.where(far, -exponents, 0))
    return nearer
