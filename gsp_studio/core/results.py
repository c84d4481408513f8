"""Outcomes of a solver: iterates, the history of a run, its result."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import Backend, Pending, is_out_of_core
from gsp_studio.backends.powers import scaled
from gsp_studio.core.metrics import GramError
from gsp_studio.core.params import Params, same_value
from gsp_studio.core.stopping import Stop

if TYPE_CHECKING:
    from gsp_studio.core.hyperspy_signals import DatasetLike


@dataclass(frozen=True)
class Record:
    """The numbers of one outer iteration, as `Iterate` has them; a row of `History`."""

    n_iter: int
    error: float
    sparsity: float
    target: float
    seconds: float
    held_out_error: float = math.nan
    trial: int = 0
    follows: int = -1

    def __post_init__(self) -> None:
        """Follow the iteration before where nothing else is said."""
        if self.follows < 0:
            object.__setattr__(self, "follows", self.n_iter - 1)


@dataclass(frozen=True, eq=False)
class Iterate:
    """One outer iteration's outcome. Its arrays are never written again: keep them, hand them to other threads.

    They are read-only, as the run goes on from them; change a copy.

    Attributes
    ----------
    n_iter : int
        Outer iterations done.
    error : float
        ``||X - W H||_F / ||X||_F``, a fraction; over the entries that are there where some are masked.
    sparsity : float
        Average Hoyer sparsity of the basis images.
    target : float
        The sparsity asked for at this iteration; NaN for methods without a target.
    seconds : float
        Time spent computing since the start. Waiting consumers do not count, nor does the compiling of the
        processor's kernels, which is done once on a machine.
    W, H : ndarray (m, r) Fortran-ordered, (r, n) C-ordered
        H of a run on a cluster is `coefficients.Coefficients`.
    dense : ndarray (m, r)
        The last gradient step before its projection: projecting it at `target` gives W to the last bit.
    gram : GramError
        ``X H'``, ``H H'`` and ``||X||^2`` of this H: the error that any other basis would have now.
    sparsity_h, target_h : float
        Average Hoyer sparsity of the rows of H and what was asked for; NaN where nothing was.
    dead : tuple of int
        Basis images that are zero, or that no image uses.
    held_out_error : float
        ``||X - W H||_F / ||X||_F`` over the entries that `Params.held_out` has left out; NaN without any.
    trial : int
        Number of the trial that it belongs to, 1 for the first (`core.trials`); 0 for the run that goes on.
    follows : int
        The iteration with whose factors this one began: the one before, but where a trial begins or has ended; 0 is
        the start.
    """

    n_iter: int
    error: float
    sparsity: float
    target: float
    seconds: float
    W: Array
    H: Any
    dense: Array
    gram: GramError
    sparsity_h: float = math.nan
    target_h: float = math.nan
    dead: tuple[int, ...] = ()
    held_out_error: float = math.nan
    trial: int = 0
    follows: int = 0

    @property
    def record(self) -> Record:
        """Its numbers."""
        return Record(*(getattr(self, part.name) for part in fields(Record)))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The factors' type."""
        found: np.dtype[Any] = self.W.dtype
        return found

    @property
    def is_here(self) -> bool:
        """Whether its arrays are the host's; else they come when they are asked for, and `send` sends them ahead."""
        return True

    def send(self) -> None:
        """Start the transfer of a device's arrays, beside the next iteration."""

    def meets_target(self) -> bool:
        """Whether the attained sparsities reach their targets, to the rounding of the factors' type."""
        return self.reaches(self.target, self.target_h)

    def reaches(self, target: float, target_h: float = math.nan) -> bool:
        """`meets_target` for other targets than the iterate's own; NaN is reached by every iterate."""
        least = attained_tolerance(self.dtype)
        # A sparsity that was not measured (NaN) does not reach a target.
        return (math.isnan(target) or self.sparsity >= target - least) and (
            math.isnan(target_h) or self.sparsity_h >= target_h - least
        )


class Distant(Iterate):
    """An iterate whose arrays are on a device until one of them is accessed: then all are fetched, in one go."""

    _ARRAYS = ("W", "H", "dense", "gram")

    def __init__(self, it: Iterate, transfer: Callable[[Sequence[Any]], Pending]) -> None:
        known = {field.name: getattr(it, field.name) for field in fields(Iterate) if field.name not in self._ARRAYS}
        arrays = (it.W.T, it.H, it.dense.T, it.gram.A.T, it.gram.G)
        vars(self).update(known, _dtype=it.H.dtype, _gram=(it.gram.x_norm2, it.gram.of, it.gram.unit))
        vars(self)["_pending"] = transfer(arrays)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The factors' type."""
        found: np.dtype[Any] = vars(self)["_dtype"]
        return found

    @property
    def is_here(self) -> bool:
        """Whether its arrays have been asked for."""
        return "W" in vars(self)

    def send(self) -> None:
        """Start the transfer, beside the next iteration."""
        vars(self)["_pending"].begin()

    def __getattr__(self, name: str) -> Any:
        # Only called for attributes that are not there yet.
        if name not in self._ARRAYS:
            raise AttributeError(name)
        V, H, dense, B, G = vars(self)["_pending"].wait()
        gram = GramError(read_only(B).T, read_only(G), *vars(self)["_gram"])
        vars(self).update(_in_unit_of_data(V.T, H, dense.T, gram), gram=gram)
        return vars(self)[name]


def read_only(array: Any) -> Any:
    """A view of an array that cannot be written to; other objects are returned as they are."""
    if not isinstance(array, np.ndarray):
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def handed_out(it: Iterate, backend: Backend) -> Iterate:
    """An iterate as consumers get it: factors in the data's unit, arrays read-only, a device's when they are asked for.

    Its `gram` stays in the unit that was computed in.

    Raises
    ------
    ValueError
        An error that is no number: factors that have left the range of their type.
    """
    if math.isnan(it.error):
        raise ValueError(
            f"the factors of iteration {it.n_iter} are beyond the range of their type, {it.H.dtype}; accepted are data "
            "and starts of ordinary size"
        )
    if backend.transfer is not None:
        return Distant(it, backend.transfer)
    gram = replace(it.gram, A=read_only(it.gram.A), G=read_only(it.gram.G))
    return replace(it, **_in_unit_of_data(it.W, it.H, it.dense, gram), gram=gram)


def _in_unit_of_data(W: Array, H: Any, dense: Array, gram: GramError) -> dict[str, Any]:
    unit = gram.unit
    inside = {"W": (W, unit.basis), "H": (H, unit.coefficients), "dense": (dense, unit.basis)}
    return {name: read_only(scaled(array, exponent)) for name, (array, exponent) in inside.items()}


@dataclass(frozen=True, eq=False)
class History:
    """One entry an outer iteration: the fields of `Record` as columns, integers where those are."""

    n_iter: Array
    error: Array
    sparsity: Array
    target: Array
    seconds: Array
    held_out_error: Array
    trial: Array
    follows: Array

    @classmethod
    def of(cls, records: Sequence[Record]) -> History:
        """The history of these iterations."""
        return cls(
            *(
                np.array([getattr(record, name) for record in records], np.int64 if name in WHOLE else np.float64)
                for name in HISTORY
            )
        )

    def chosen(self, some: Array | slice) -> History:
        """Some of its iterations, by a boolean array or a slice."""
        return History(**{name: getattr(self, name)[some] for name in HISTORY})

    def records(self) -> tuple[Record, ...]:
        """Its iterations."""
        return tuple(map(Record, *(getattr(self, name).tolist() for name in HISTORY)))


#: Columns of a `History`, and those of them that are whole numbers.
HISTORY = tuple(part.name for part in fields(Record))
WHOLE = ("n_iter", "trial", "follows")


@dataclass(frozen=True, eq=False)
class Result:
    """The best iterate that meets the target, and how the run went.

    `n_iter` counts the iterations done; `best_iter` is the one kept. `params` are those of the last iteration.
    `backend` says what computed, `stop` why the run ended (None: its consumer ended it); the other fields are those
    of `Iterate`, `held_out_error` among them.
    """

    W: Array
    H: Any
    error: float
    sparsity: float
    n_iter: int
    best_iter: int
    history: History
    params: Params
    backend: str
    dense: Array
    gram: GramError
    sparsity_h: float = math.nan
    dead: tuple[int, ...] = ()
    stop: Stop | None = None
    held_out_error: float = math.nan

    def to_hyperspy(self, dataset: DatasetLike | None = None) -> tuple[Any, Any]:
        """Factors and loadings as signals of hyperspy, where that is installed.

        Parameters
        ----------
        dataset : Dataset, optional
            The data of the run: gives the signals their shape and their axes. Without it both are matrices.

        Returns
        -------
        hyperspy signal (rank | ...), hyperspy signal (rank | ...)
            W: spectra, or basis images; and H: maps of the spectra, or coefficients along the images.

        Raises
        ------
        ImportError
            hyperspy is not installed.
        ValueError
            Images in colour.
        """
        from gsp_studio.core.hyperspy_signals import signals

        return signals(self.W, np.asarray(self.H), dataset)


def attained_tolerance(dtype: npt.DTypeLike) -> float:
    """Return how far below its target a sparsity still counts as attained: rounding of float32 or float64."""
    return 1e-10 if np.dtype(dtype) == np.float64 else 1e-5


def better(candidate: Iterate, best: Iterate | None) -> Iterate:
    """The better of two iterates: one that meets the newest target before one that does not, then the lower error.

    The fast gradient is not monotone, and a run that is steered to a sparser target must not keep an iterate from
    before: `best` is judged by the candidate's targets.
    """
    if best is None:
        return candidate
    if not best.reaches(candidate.target, candidate.target_h):
        return candidate
    if not candidate.meets_target():
        return best
    return candidate if candidate.error <= best.error else best


class Best:
    """The best iterate of a run so far, as `better` judges, and the parameters that were in force then."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.iterate: Iterate | None = None

    def see(self, it: Iterate, params: Params, is_edited: bool = False) -> None:
        """Look at a new iterate.

        One from before an edit of the basis, or of another problem (another method, other weights or frozen basis
        images), is no rival: what has been asked for since is kept, though its error may be higher.
        """
        rival = None if is_edited or is_other_problem(params, self.params) else self.iterate
        self.iterate, self.params = better(it, rival), params


def is_other_problem(a: Params, b: Params) -> bool:
    """Whether two runs with these parameters have other sets of bases to choose from, whatever their targets."""
    return a is not b and not all(
        same_value(getattr(a, name), getattr(b, name)) for name in ("rank", "method", "weights", "frozen")
    )


def result_of(
    best: Iterate, records: Sequence[Record], params: Params, backend: Backend, stop: Stop | None = None
) -> Result:
    """The `Result` of a run whose best iterate and iterations are known."""
    return Result(
        W=best.W,
        H=best.H,
        error=best.error,
        sparsity=best.sparsity,
        n_iter=records[-1].n_iter,
        best_iter=best.n_iter,
        history=History.of(records),
        params=params,
        backend=best.H.device
        if is_out_of_core(best.H)
        else f"{backend.name}: {backend.device}{f' ({backend.note})' if backend.note else ''}",
        dense=best.dense,
        gram=best.gram,
        sparsity_h=best.sparsity_h,
        dead=best.dead,
        stop=stop,
        held_out_error=best.held_out_error,
    )
