"""Errors of a factorization by image, by pixel, and without one of its basis images.

Everything here comes from residuals themselves, some images at a time. The Gram form of an image's error,
``||x||^2 - 2 h'W'x + h'W'W h``, would not be cheaper: its product W'X costs what W H does, and its difference loses the
digits of good fits. With R = X - W H at hand, leaving out basis image k changes an image's squared error by
``2 h_k w_k'r + h_k^2 ||w_k||^2``, and that of all images by the sum: one more product, W'R, gives it for every k.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.blocks import Matrix
from gsp_studio.backends.powers import scaled
from gsp_studio.backends.summation import Node, TreeSum, images_of_block, squared_norms
from gsp_studio.core.units import Unit, unit_of_factors

#: Entries of X at a time, so that their residuals and squares stay in the cache: four times as fast as all at once.
_BLOCK = 1 << 18


@dataclass(frozen=True, eq=False)
class Residuals:
    """Errors of a factorization, seen from all sides.

    Attributes
    ----------
    images : ndarray (n,), float64
        Relative error ``||x_j - W h_j|| / ||x_j||`` of every image, a fraction; for a zero image 0 if it is fitted
        exactly, else infinity.
    pixels : ndarray (m,), float64
        Squared error of every pixel, the mean over the images: Figure 4 of the paper. In the square of the data's
        unit: infinite, or 0, where float64 has no such numbers.
    error : float
        ``||X - W H||_F / ||X||_F``.
    without : ndarray (r,), float64
        The error that is left when basis image k is left out and all coefficients stay as they are.
    """

    images: Array
    pixels: Array
    error: float
    without: Array


@dataclass(frozen=True, eq=False)
class ImageFit:
    """One image beside its reconstruction.

    Attributes
    ----------
    x : ndarray (m,)
    W : ndarray (m, r)
    h : ndarray (r,)
        Its coefficients.
    reconstruction : ndarray (m,)
        ``W h``.
    shares : ndarray (r,), float64
        Share of each basis image in ``sum_k ||w_k|| h_k``: zero everywhere where h is.
    error : float
        ``||x - W h|| / ||x||``; for a zero image 0 if it is fitted exactly, else infinity.
    without : ndarray (r,), float64
        The error that is left when basis image k is left out and the other coefficients stay as they are.
    """

    x: Array
    W: Array
    h: Array
    reconstruction: Array
    shares: Array
    error: float
    without: Array

    def reconstruction_without(self, k: int) -> Array:
        """``W h - w_k h_k`` (m,): the reconstruction without basis image k; rounding below zero is zero."""
        left: Array = np.maximum(self.reconstruction - self.W[:, k] * self.h[k], 0)
        return left


@dataclass(frozen=True, eq=False)
class Sums:
    """The outcome of a pass over some images: squared residual and length of each, and sums over all of them.

    Attributes
    ----------
    squared, norms : ndarray (n,), float64
        ``||x_j - W h_j||^2`` and ``||x_j||^2``.
    sums : list of Node
        Sums over the images, float64: of the squared residuals of each pixel (m,), and of each basis image
        ``sum_j h_kj w_k'r_j`` and ``sum_j h_kj^2`` (r,).
    """

    squared: Array
    norms: Array
    sums: list[Node]


def sums_over(X: Any, W: Array, H: Array, on_block: Callable[[int], None] | None = None, first: int = 0) -> Sums:
    """One pass over images X (m, n), the first of which is number `first` of all; parameters as for `residuals`."""
    m, n = X.shape
    size = images_of_block(m, X.dtype)
    squared, norms, sums = np.zeros(n), np.zeros(n), TreeSum()
    of_block: Any = None
    for some, images, left in _blocks(X, W, H):
        squares = np.square(left, dtype=np.float64)
        squared[some] = squares.sum(axis=1)
        norms[some] = np.square(images, dtype=np.float64).sum(axis=1)
        h = np.ascontiguousarray(H[:, some].T)
        overlap = np.sum((left @ W) * h, axis=0, dtype=np.float64)
        more = squares.sum(axis=0), overlap, np.square(h, dtype=np.float64).sum(axis=0)
        of_block = more if of_block is None else tuple(a + b for a, b in zip(of_block, more, strict=True))
        if some.stop % size == 0 or some.stop == n:
            number = (first + some.start) // size
            sums.add(Node(number, number + 1, of_block))
            of_block = None
        if on_block is not None:
            on_block(some.stop)
    return Sums(squared, norms, sums.nodes)


def residuals(X: Any, W: Array, H: Any, on_block: Callable[[int], None] | None = None) -> Residuals:
    """The errors of all images and of all pixels, and the worth of each basis image, in one pass over X.

    Parameters
    ----------
    X : ndarray (m, n), float32 or float64, or BlockMatrix
        A column an image; fastest in Fortran order.
    W : ndarray (m, r), >= 0
    H : ndarray (r, n), >= 0, or coefficients.Coefficients
        Of those on a cluster the pass is made there, over the images that they are of, and X is not looked at.
    on_block : callable, optional
        Called with the number of images done so far, some times a second or more often; what it raises ends the pass.
        Not of a pass on a cluster.

    Returns
    -------
    Residuals

    Raises
    ------
    ValueError
        Shapes that do not fit.

    Notes
    -----
    Two products of 2 m n r operations, in the type of the arrays; sums are taken in float64.
    """
    _check(X.shape, W.shape, H.shape)
    X, W, H, unit = _inside(X, W, H)
    parts = [sums_over(X, W, H, on_block)] if isinstance(H, np.ndarray) else H.residual_sums(W)
    squared, norms = (np.concatenate([getattr(part, name) for part in parts]) for name in ("squared", "norms"))
    pixels, overlap, energy = TreeSum(node for part in parts for node in part.sums).total()
    total, of = squared.sum(), norms.sum()
    return Residuals(
        images=_relative(squared, norms),
        pixels=scaled(pixels / X.shape[1], 2 * unit.data),
        error=float(_relative(total, of)),
        without=_relative(total + 2.0 * overlap + _squared_norms(W) * energy, of),
    )


def lengths_left(
    X: Array, W: Array, H: Array, missing: Array | None = None, weights: Array | None = None
) -> tuple[Array, Array]:
    """What a fit leaves of each image, and the image's length.

    Parameters
    ----------
    X : ndarray (m, n), float32 or float64
    W, H : ndarray (m, r), (r, n)
    missing : ndarray (m, n) of bool, optional
        True where an entry does not count; X is 0 there.
    weights : ndarray (m, n), optional
        What the squares of entries count.

    Returns
    -------
    left, lengths : ndarray (n,), float64
        ``||x_j - W h_j||`` and ``||x_j||``, in the data's unit, from the residuals themselves.

    Raises
    ------
    ValueError
        Shapes that do not fit.
    """
    X, W, H, unit = _inside(X, W, H)
    squared, norms = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for some, images, left in _blocks(X, W, H):
        if missing is not None:
            left[missing.T[some]] = 0
        if weights is not None:
            roots = np.sqrt(weights.T[some])
            images, left = images * roots, left * roots
        squared[some], norms[some] = squared_norms(left), squared_norms(images)
    return scaled(np.sqrt(squared), unit.data), scaled(np.sqrt(norms), unit.data)


def error_map(X: Matrix, W: Array, H: Array) -> Array:
    """``(X - W H)^2``, the mean over the images: Figure 4 of the paper.

    Parameters
    ----------
    X : ndarray (m, n), or OutOfCoreMatrix; float32 or float64
    W, H : ndarray (m, r), (r, n)

    Returns
    -------
    ndarray (m,), float64
        In the square of the data's unit.

    Raises
    ------
    ValueError
        Shapes that do not fit.
    """
    X, W, H, unit = _inside(X, W, H)
    total = np.zeros(X.shape[0])
    for _, _, left in _blocks(X, W, H):
        total += np.square(left, dtype=np.float64).sum(axis=0)
    mean: Array = scaled(total / X.shape[1], 2 * unit.data)
    return mean


def fit_of_image(x: Array, W: Array, h: Array) -> ImageFit:
    """One image beside its reconstruction, with the worth of each basis image to it.

    Parameters
    ----------
    x : ndarray (m,), float32 or float64
        A column of X.
    W : ndarray (m, r), >= 0
    h : ndarray (r,), >= 0
        The same column of H.

    Returns
    -------
    ImageFit

    Raises
    ------
    ValueError
        Shapes that do not fit.

    Notes
    -----
    O(m r). Its errors have the digits of the residual, not those of a difference of large numbers.
    """
    _check((*x.shape, 1), W.shape, (*h.shape, 1))
    image, basis, h_inside, unit = _inside(x, W, h)
    reconstruction = basis @ h_inside
    left = image - reconstruction
    own, coefficients = _squared_norms(basis), h_inside.astype(np.float64)
    squared, of = float(np.sum(np.square(left, dtype=np.float64))), float(np.sum(np.square(image, dtype=np.float64)))
    parts = np.sqrt(own) * coefficients
    total = parts.sum()
    return ImageFit(
        x=x,
        W=W,
        h=h,
        reconstruction=scaled(reconstruction, unit.data),
        shares=parts / total if total > 0 else parts,
        error=float(_relative(squared, of)),
        without=_relative(squared + 2.0 * coefficients * (left @ basis) + np.square(coefficients) * own, of),
    )


def _inside(X: Any, W: Array, H: Any) -> tuple[Any, Array, Any, Unit]:
    """Data and factors in a unit in which their squares are numbers, and which one it is: mostly themselves."""
    unit = unit_of_factors(X, W, H)
    if not unit.data:
        return X, W, H, unit
    return unit.data_inside(X), unit.basis_inside(W), unit.coefficients_inside(H), unit


def _blocks(X: Matrix, W: Array, H: Array) -> Iterator[tuple[slice, Array, Array]]:
    """Some images (k, m) at a time, an image a row, with their residuals, and which they are."""
    _check(X.shape, W.shape, H.shape)
    m, n = X.shape
    step = images_of_block(m, X.dtype)  # whole blocks of the tree of sums, or parts of one
    while step > 1 and step * m > _BLOCK:
        step //= 2
    for a in range(0, n, step):
        some = slice(a, min(n, a + step))
        images = X.T[some]
        yield some, images, images - np.ascontiguousarray(H[:, some].T) @ W.T


def _squared_norms(W: Array) -> Array:
    """``||w_k||^2`` (r,) of the columns, in float64 without a float64 copy of W."""
    norms: Array = np.einsum("ij,ij->j", W, W, dtype=np.float64)
    return norms


def _relative(squared: Any, of: Any) -> Array:
    """``sqrt(squared / of)``, 0 where both are zero and infinity where only `of` is."""
    squared, of = np.broadcast_arrays(np.maximum(squared, 0.0), of)
    unfitted = np.where(squared > 0.0, np.inf, 0.0)
    fractions: Array = np.sqrt(np.divide(squared, of, out=unfitted, where=of > 0.0))
    return fractions


def _check(x: tuple[int, ...], w: tuple[int, ...], h: tuple[int, ...]) -> None:
    if len(x) != 2 or len(w) != 2 or len(h) != 2 or (x[0], w[1], x[1]) != (w[0], h[0], h[1]):
        raise ValueError(f"X {x}, W {w} and H {h} do not fit; expected are (m, n), (m, r) and (r, n)")
