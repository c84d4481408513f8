"""Seeds: given columns of W0, which the run may change, holds for its first iterations, or holds for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.admission import as_real
from gsp_studio.backends.powers import exponent_of
from gsp_studio.core.params import Params
from gsp_studio.core.units import Unit

#: Ways to treat a seed, and what they mean.
HOLDS = {
    "free": "the run changes it from its first iteration on",
    "first": "held for the first iterations, then free",
    "always": "held for good, to the last bit",
}
#: Characters of the name of a seed.
LONGEST_NAME = 120
#: Iterations for which a seed of "first" is held.
HELD_FIRST = 50
#: Held seeds lie within so many powers of two of 1 and of the data, by the bytes of a number: squares of theirs and of
#: their coefficients, summed over many pixels and images, are numbers of the type then.
_HELD_WITHIN = {4: 50, 8: 480}


@dataclass(frozen=True, eq=False)
class Seed:
    """A seed with its name.

    Attributes
    ----------
    name : str
        Where it comes from, for people.
    values : ndarray (m,), >= 0
    hold : str
        A key of `HOLDS`.
    """

    name: str
    values: Array
    hold: str = "free"


def with_seeds(params: Params, seeds: Sequence[Seed]) -> Params:
    """Parameters of a run that begins with these seeds; without any, as they are."""
    if not seeds:
        return params
    columns = np.column_stack([seed.values for seed in seeds])
    holds = ",".join(seed.hold for seed in seeds)
    names = tuple(_short(seed.name) for seed in seeds)
    return replace(params, seed_basis=columns, seed_hold=holds, seed_names=names)


def _short(name: str) -> str:
    """A name on one line, of a bounded length, which any file can hold."""
    said = "".join(c if c.isprintable() else " " for c in name).strip()
    return said if len(said) <= LONGEST_NAME else f"{said[: LONGEST_NAME - 3]}..."


def seed_of(params: Params, basis: int) -> str:
    """The name of the seed that a basis image began with; "" for none, or one without a name."""
    return params.seed_names[basis] if params.seed_basis is not None and basis < len(params.seed_names) else ""


def holds_of(params: Params) -> tuple[str, ...]:
    """How each seed is treated, one of `HOLDS` a column of `Params.seed_basis`."""
    if params.seed_basis is None:
        return ()
    words = tuple(word.strip() for word in params.seed_hold.split(","))
    return words * np.shape(params.seed_basis)[1] if len(words) == 1 else words


def held_for_good(params: Params) -> tuple[int, ...]:
    """Basis images that keep their pixels through the whole run: the frozen ones and the seeds held for good."""
    held = {k for k, hold in enumerate(holds_of(params)) if hold == "always"}
    return tuple(sorted(held | set(params.frozen))) if held else params.frozen


def held_params(params: Params, n_iter: int) -> Params:
    """The parameters of iteration `n_iter`, 1 for the first, with the seeds that are held then among the frozen."""
    held = set(held_for_good(params))
    if n_iter <= HELD_FIRST:
        held |= {k for k, hold in enumerate(holds_of(params)) if hold == "first"}
    return params if held == set(params.frozen) else replace(params, frozen=tuple(sorted(held)))


def released_after(params: Params) -> int:
    """The iteration after which the last seed of "first" is released; 0 where there is none."""
    return HELD_FIRST if "first" in holds_of(params) else 0


def seeds_without(params: Params, basis: int) -> dict[str, Any]:
    """Holds and names of seeds after a basis image was taken away: those behind it move up by 1."""
    words, names = list(holds_of(params)), list(params.seed_names)
    if basis < len(words):
        words = [*words[:basis], *words[basis + 1 :], "free"]
    if basis < len(names):
        names = [*names[:basis], *names[basis + 1 :], ""]
    return {"seed_hold": ",".join(words) if words else params.seed_hold, "seed_names": tuple(names)}


def without_name(params: Params, basis: int) -> Params:
    """Parameters after a basis image began anew: a seed is no longer where it comes from."""
    names = params.seed_names
    if basis >= len(names) or not names[basis]:
        return params
    return replace(params, seed_names=(*names[:basis], "", *names[basis + 1 :]))


def seeds_inside(params: Params, unit: Unit, dtype: np.dtype[Any]) -> Array:
    """Seeds (m, k) as a run computes with them, in its type.

    Only the shape of a seed counts that the run may change at once, so one that is far from 1 is brought there, before
    its type could round it to zero or infinity. Held ones keep their bits.

    Raises
    ------
    ValueError
        A held seed with which the type cannot compute.
    """
    held, columns = held_params(params, 1).frozen, []
    for k, column in enumerate(np.asarray(params.seed_basis, np.float64).T):
        if k not in held:
            columns.append(unit.shape_inside(column))
            continue
        size, most = exponent_of(float(column.max())) - unit.basis, _HELD_WITHIN[dtype.itemsize]
        if max(abs(size), abs(size - unit.exponent)) > most:
            raise ValueError(
                f"seed {k + 1} is held, and its largest value {column.max():.3g} is too far from those of X for "
                f"{dtype}; accepted is a seed of about the size of the images, or one that is free"
            )
        columns.append(unit.basis_inside(column))
    return np.column_stack(columns).astype(dtype)


def seeded(W0: Array, seeds: Any) -> Array:
    """W0 (m, r) with its first columns replaced by the seeds (m, k); a new array, Fortran-ordered, of W0's dtype."""
    W = np.array(W0, order="F")
    W[:, : seeds.shape[1]] = seeds
    return W


def check_seeds(params: Params, m: int, is_known: bool) -> None:
    """Raise ValueError, in one sentence, unless seeds and holds fit the rank and, where it is known, m."""
    words = [word.strip() for word in str(params.seed_hold).split(",")]
    unknown = [word for word in words if word not in HOLDS]
    if unknown or not isinstance(params.seed_hold, str):
        raise ValueError(
            f'seed_hold is "{params.seed_hold}"; accepted are {", ".join(HOLDS)}, or one of these for each seed, '
            "separated by commas"
        )
    names = params.seed_names
    if not isinstance(names, tuple) or not all(isinstance(name, str) and _short(name) == name for name in names):
        raise ValueError(
            f"seed_names hold {str(names)[:60]!r}; accepted are texts of one line and up to {LONGEST_NAME} characters"
        )
    if params.seed_basis is None:
        return
    seeds = as_real(params.seed_basis, "seed_basis")
    if seeds.ndim != 2 or seeds.size == 0 or (is_known and len(seeds) != m):
        length = f"{m}" if is_known else "m"
        raise ValueError(
            f"seed_basis has shape {seeds.shape} and type {seeds.dtype}; accepted are real numbers ({length}, k), a "
            "column for each seed"
        )
    count = seeds.shape[1]
    if count > params.rank:
        raise ValueError(f"there are {count} seeds for {params.rank} basis images; accepted are up to {params.rank}")
    if not np.all(np.isfinite(seeds)) or seeds.min() < 0:
        raise ValueError("seeds hold negative or non-finite values; accepted are finite values >= 0")
    empty = np.flatnonzero(seeds.max(axis=0) == 0)
    if len(empty):
        raise ValueError(f"seed {empty[0] + 1} is zero everywhere; a seed needs a value > 0")
    if len(names) not in (0, count):
        raise ValueError(f"there are {len(names)} seed_names for {count} seeds; accepted are none and {count}")
    if len(words) not in (1, count):
        raise ValueError(f"seed_hold has {len(words)} entries for {count} seeds; accepted are 1 and {count}")
