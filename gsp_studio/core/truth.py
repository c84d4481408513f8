"""A factorization beside a reference: spectral angles, and errors of abundances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from gsp_studio.arrays import Array


@dataclass(frozen=True, eq=False)
class Truth:
    """A reference.

    Attributes
    ----------
    spectra : ndarray (m, q), optional
        Spectra or basis images of the materials.
    abundances : ndarray (q, n), optional
        The share of each material in each sample; of labels 0 and 1.
    names : tuple of str
        Of the materials.
    is_labels : bool
        Whether the abundances are classes, one a sample.
    source : str
        Where it comes from, for people: "M and A of samson.mat".
    """

    spectra: Array | None = None
    abundances: Array | None = None
    names: tuple[str, ...] = ()
    is_labels: bool = False
    source: str = ""

    @property
    def count(self) -> int:
        """Number of materials."""
        return self.spectra.shape[1] if self.spectra is not None else len(self.abundances)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Agreement:
    """Agreement of a factorization with a reference, a value for each material of the reference.

    Attributes
    ----------
    names : tuple of str
    partner : ndarray (q,) of int
        The basis image that stands for each; -1 for none.
    angle : ndarray (q,)
        Spectral angle in degrees; NaN without spectra or partner.
    rmse : ndarray (q,)
        Root mean square error of the abundances, of coefficients that sum to one in each sample; NaN without.
    rmse_scaled : ndarray (q,)
        The same without that division, each basis image scaled to its reference by least squares.
    accuracy : float
        Of labels: the share of samples whose largest coefficient is that of their label; NaN without labels.
    source : str
        That of the reference.
    """

    names: tuple[str, ...]
    partner: Array
    angle: Array
    rmse: Array
    rmse_scaled: Array
    accuracy: float
    source: str = ""

    @property
    def mean_angle(self) -> float:
        """Mean spectral angle of the materials that have a partner, in degrees."""
        return _mean(self.angle)

    @property
    def total_rmse(self) -> float:
        """Root mean square error of all abundances together."""
        return float(np.sqrt(_mean(self.rmse**2)))

    @property
    def total_rmse_scaled(self) -> float:
        """The same of `rmse_scaled`."""
        return float(np.sqrt(_mean(self.rmse_scaled**2)))


def spectral_angles(first: npt.ArrayLike, second: npt.ArrayLike) -> Array:
    """Spectral angles between all columns.

    Parameters
    ----------
    first, second : array_like (m, q), (m, r)

    Returns
    -------
    ndarray (q, r)
        In degrees, 0 to 90 for spectra >= 0; 90 beside a column of zeros.
    """
    a, b = _unit(np.asarray(first, np.float64)), _unit(np.asarray(second, np.float64))
    # Of close spectra the arc cosine loses half of the digits; the chord does not.
    chord = np.array([np.linalg.norm(one[:, None] - b, axis=0) for one in a.T]).reshape(a.shape[1], b.shape[1])
    angles: Array = np.degrees(2.0 * np.arcsin(np.clip(chord / 2.0, 0.0, 1.0)))
    lost: Array = np.logical_or.outer(np.all(a == 0, axis=0), np.all(b == 0, axis=0))
    return np.where(lost, 90.0, angles)


def compare_with_truth(W: npt.ArrayLike, H: npt.ArrayLike, truth: Truth) -> Agreement:
    """Match basis images with the materials of a reference, and measure how well they agree.

    Parameters
    ----------
    W : array_like (m, r)
    H : array_like (r, n)
    truth : Truth

    Returns
    -------
    Agreement

    Raises
    ------
    ValueError
        References of other sizes.

    Notes
    -----
    The matching is the one with the least sum of spectral angles, of abundances alone the one with the largest sum of
    cosines (Kuhn 1955). Factors have no scale of their own. For `rmse` each basis image is brought to the scale of its
    reference spectrum by least squares, and then the coefficients of each sample are divided by their sum, as
    abundances are shares; basis images without a partner count in that sum. Without reference spectra the rows of H
    are scaled to the reference rows instead.
    """
    W, H = np.asarray(W, np.float64), np.asarray(H, np.float64)
    M, A = truth.spectra, truth.abundances
    if M is None and A is None:
        raise ValueError("a reference needs spectra, abundances or labels")
    if (M is not None and len(M) != len(W)) or (A is not None and A.shape[1] != H.shape[1]):
        sizes = " and ".join(str(part.shape) for part in (M, A) if part is not None)
        raise ValueError(f"a reference of shape {sizes} does not fit factors of {W.shape} and {H.shape}")
    count, rank = truth.count, W.shape[1]
    if M is not None:
        angles = spectral_angles(M, W)
        rows, columns = linear_sum_assignment(angles)
    else:
        assert A is not None
        cosines = _unit(A.T).T @ _unit(H.T)
        rows, columns = linear_sum_assignment(cosines, maximize=True)
    partner = np.full(count, -1, np.intp)
    partner[rows] = columns
    angle, rmse, scaled = (np.full(count, np.nan) for _ in range(3))
    if M is not None:
        angle[rows] = angles[rows, columns]
    accuracy = np.nan
    if A is not None:
        factors = np.ones(rank)
        for k, basis in zip(rows, columns, strict=True):
            fit, of = (W[:, basis], M[:, k]) if M is not None else (A[k], H[basis])
            # w is about `factor` times m; or a about `factor` times h.
            length = float(of @ of)
            factors[basis] = float(fit @ of) / length if length > 0 else 1.0
        own = H * factors[:, None]
        total = own.sum(axis=0)
        shares = np.divide(own, total, out=np.zeros_like(own), where=total > 0)
        scaled[rows] = np.sqrt(np.mean((own[columns] - A[rows]) ** 2, axis=1))
        rmse[rows] = np.sqrt(np.mean((shares[columns] - A[rows]) ** 2, axis=1))
        if truth.is_labels:
            material = np.full(rank, -1)
            material[columns] = rows
            accuracy = float(np.mean(material[own.argmax(axis=0)] == A.argmax(axis=0)))
    names = truth.names or tuple(f"{k + 1}" for k in range(count))
    return Agreement(names, partner, angle, rmse, scaled, float(accuracy), truth.source)


def _unit(columns: Array) -> Array:
    largest = np.abs(columns).max(axis=0, initial=0.0)
    columns = np.divide(columns, largest, out=np.zeros_like(columns), where=largest > 0)
    lengths = np.linalg.norm(columns, axis=0)
    unit: Array = np.divide(columns, lengths, out=np.zeros_like(columns), where=lengths > 0)
    return unit


def _mean(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
