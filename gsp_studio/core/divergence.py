"""The Kullback-Leibler loss of nonnegative factors, and the sums that its multiplicative updates need.

``D(X | W H) = sum x log(x / y) - x + y`` with ``y = W H`` is, but for a constant, the negative logarithm of the
likelihood of Poisson counts X. Entries can have weights: 0 for a missing one. All sums over images are taken in the
order of `backends.summation`, each block by BLAS on one thread: threads and storage do not change a bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import kl_div

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import is_out_of_core
from gsp_studio.backends.summation import block_slices, fold

#: The least value of a fit to a positive entry, as a part of the data's size (`exponent_of` its largest value):
#: logarithms of smaller ones would be all that counts.
FLOOR = 2.0**-23
#: Factors below this are zero: products with smaller ones are slow, and do not count beside the floor.
_LEAST = 2.0**-100
#: Updates of the coefficients for a basis that is known, as many for every image.
UPDATES = 300
#: What coefficients of zero begin with, as a part of the mean: multiplied, a zero stays one.
LEAST_SHARE = 1e-2

#: Images (k, m) and their coefficients (k, r) -> (new coefficients or None, a value to be summed)
_Work = Callable[[Array, Array, "Array | None"], tuple["Array | None", Any]]


@dataclass(frozen=True, eq=False)
class Pass:
    """The outcome of a pass over all images.

    Attributes
    ----------
    H : ndarray (r, n)
        New coefficients.
    loss : float
        ``D(X | W H)`` of these.
    P, Q : ndarray (r, m)
        ``sum_j h_kj w_ij x_ij / y_ij`` and ``sum_j h_kj w_ij``: ``v P / Q`` is the multiplicative update of the basis.
    B, G : ndarray (r, m), (r, r)
        ``H X'`` and ``H H'``.
    """

    H: Array
    loss: float
    P: Array
    Q: Array
    B: Array
    G: Array


class Divergence:
    """The loss of one matrix.

    Parameters
    ----------
    Xt : ndarray (n, m), or Rows
        Images in rows, 0 where an entry is missing.
    weights : ndarray (n, m), optional
        Of the entries, 0 to 1.
    size : float
        Of the largest value, a power of two.
    threads : int
    """

    def __init__(self, Xt: Any, weights: Array | None, size: float, threads: int) -> None:
        self.Xt, self.weights, self.threads = Xt, weights, threads
        self.floor = FLOOR * size
        #: The (weighted) sum of all entries, which losses are a fraction of.
        self.total = float(self._fold(None, lambda x, h, w: (None, _sum(x if w is None else w * x)))[1])

    def relative(self, loss: float) -> float:
        """A loss as a fraction of the sum of X."""
        return loss / self.total if self.total > 0.0 else 0.0

    def of(self, V: Array, H: Array) -> float:
        """``D(X | W H)`` for ``V = W'``."""
        return float(self._fold(H, lambda x, h, w: (None, self._loss(x, h @ V, w)))[1])

    def update(self, V: Array, H: Array, updates: int = 1) -> Pass:
        """Multiplicative updates of the coefficients, and the sums for that of the basis."""
        own = V.sum(axis=1)

        def work(x: Array, h: Array, w: Array | None) -> tuple[Array, Any]:
            new = h
            for _ in range(updates):
                new = self._updated(x, new, w, V, own)
            y = new @ V
            ratio = self._ratio(x, y, w)
            # Without weights the sums of h do not depend on the pixel.
            weighed = new.sum(axis=0)[:, None] if w is None else new.T @ w
            return new, (self._loss(x, y, w), new.T @ ratio, weighed, new.T @ x, new.T @ new)

        new, (loss, P, Q, B, G) = self._fold(H, work)
        return Pass(new, float(loss), P, np.broadcast_to(Q, P.shape), B, G)

    def coefficients(self, V: Array, H: Array, updates: int = UPDATES) -> Array:
        """Coefficients for a basis, from H on; every image is updated as often."""
        own = V.sum(axis=1)

        def work(x: Array, h: Array, w: Array | None) -> tuple[Array, Any]:
            for _ in range(updates):
                h = self._updated(x, h, w, V, own)
            return h, 0.0

        found: Array = self._fold(lifted(H), work)[0]
        return found

    def of_images(self, V: Array, H: Array) -> tuple[Array, Array]:
        """``D(x_j | W h_j)`` and the sum of each image, (n,), float64."""
        losses, sums = np.zeros(len(self.Xt)), np.zeros(len(self.Xt))
        for some, x, w in self._blocks():
            losses[some] = self._losses(x, np.ascontiguousarray(H[:, some].T) @ V, w).sum(axis=1)
            sums[some] = np.sum(x if w is None else w * x, axis=1, dtype=np.float64)
        return losses, sums

    def _updated(self, x: Array, h: Array, w: Array | None, V: Array, own: Array) -> Array:
        of = np.maximum(own if w is None else w @ V.T, self.floor)
        new: Array = h * ((self._ratio(x, h @ V, w) @ V.T) / of)
        new[new < _LEAST] = 0
        return new

    def _ratio(self, x: Array, y: Array, w: Array | None) -> Array:
        ratio: Array = x / np.maximum(y, self.floor)
        return ratio if w is None else w * ratio

    def _loss(self, x: Array, y: Array, w: Array | None) -> float:
        return _sum(self._losses(x, y, w))

    def _losses(self, x: Array, y: Array, w: Array | None) -> Array:
        # The floor bounds logarithms: where nothing was counted there is none, and a fit of zero is right.
        fit = np.where(x > 0, np.maximum(y, self.floor), y)
        each: Array = kl_div(x.astype(np.float64), fit.astype(np.float64))
        return each if w is None else w * each

    def _blocks(self) -> Iterator[tuple[slice, Array, Array | None]]:
        n, m = self.Xt.shape
        if is_out_of_core(self.Xt.T):
            for some, rows in self.Xt.T.blocks():
                for _, part in block_slices(m, len(rows), rows.dtype):
                    yield slice(some.start + part.start, some.start + part.stop), rows[part], None
            return
        for _, some in block_slices(m, n, self.Xt.dtype):
            yield some, self.Xt[some], None if self.weights is None else self.weights[some]

    def _fold(self, H: Array | None, work: _Work) -> tuple[Any, Any]:
        """New coefficients, and the sums over all blocks, which threads share."""
        out = None if H is None else np.empty_like(H)

        def one(block: tuple[slice, Array, Array | None]) -> Any:
            some, x, w = block
            h = x if H is None else np.ascontiguousarray(H[:, some].T)
            new, value = work(x, h, w)
            if out is not None and new is not None:
                out[:, some] = new.T
            return value

        if self.threads == 1 or is_out_of_core(self.Xt.T) or len(self.Xt) <= 128:
            return out, fold(map(one, self._blocks()))
        with ThreadPoolExecutor(self.threads, "gsp-divergence") as pool:
            return out, fold(pool.map(one, self._blocks()))


def multiplied(V: Array, P: Array, Q: Array) -> Array:
    """The multiplicative update of a basis."""
    new: Array = V * (P / np.where(Q > 0, Q, 1))
    new[new < _LEAST] = 0
    return new


def lifted(H: Array) -> Array:
    """Coefficients without zeros, which no multiplication would change: a small part of the mean instead."""
    least = LEAST_SHARE * H.mean(axis=1, keepdims=True, dtype=np.float64)
    overall = float(least.max(initial=0.0)) or 1.0
    found: Array = np.maximum(H, np.where(least > 0, least, overall).astype(H.dtype))
    return found


def _sum(values: Array) -> float:
    return float(np.sum(values, dtype=np.float64))
