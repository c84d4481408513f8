"""The NMF kernels on the device: products in cuBLAS, all else in kernels of our own.

Products are float32 in float32: CuPy leaves TF32 off unless a user turns it on, and the backend's name says so then.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from gsp_studio.backends.backend import HALS_BLOCK, Array, Measured
from gsp_studio.backends.cpu.hoyer import hoyer_flat
from gsp_studio.backends.cpu.price import shared_price
from gsp_studio.backends.cpu.root import NORM, SPAN
from gsp_studio.backends.cuda.driver import Device, cp
from gsp_studio.backends.cuda.groups import (
    EACH,
    FREE,
    GROUP,
    HINT,
    IS_DONE,
    OF_RUN,
    RUN,
    WARP,
    WORST,
    Asked,
    Projector,
    project,
)
from gsp_studio.backends.layout import equal_offsets

#: Threads of a block of the simple kernels, and blocks at most: sums have one for each.
_BLOCK, _MOST_BLOCKS = 256, 1024
#: Multiplications of a gradient step from which on cuBLAS pays, and a look at whether the update is done.
_LARGE = 500_000_000
#: What a run says where power steps did not find the Gram matrix's largest eigenvalue; as in `steps.cu`.
UNBOUNDED_GRAM = 100.0
#: Bytes of residuals that are there at once.
_RESIDUALS = 1 << 26
#: Shared memory that a block of HALS takes at most where it can choose: more of them then run side by side.
_SIDE_BY_SIDE = 96 * 1024
# Columns of `row_numbers`.
_L1, _L2, _TOP, _B, _G, _USE, _SUM, _NUMBERS = range(8)
#: Sizes outside this range leave float64 when they are squared: the host scales them first.
_SAFE = (1e-120, 1e120)
_KINDS = {"none": FREE, "group": GROUP, "rows": EACH}


class Solver:
    """The kernels of `Backend` and `Remote` on one device; shapes as there."""

    def __init__(self, device: Device) -> None:
        self.device = device
        with device.scope():
            self.projector = Projector(device)
            self._no_index = cp.zeros(1, np.int64)
        self._held = lru_cache(maxsize=16)(self._marked)
        self._last_gram: tuple[Any, Any] = (None, None)

    # Images

    def products(self, Xt: Any, H: Any) -> tuple[Any, Any]:
        """``B = H X'`` and ``G = H H'``."""
        return H @ Xt, H @ H.T

    def encode(self, Xt: Any, V: Any) -> Any:
        """``W'X``."""
        return V @ Xt.T

    def sweep_coefficients(self, Xt: Any, V: Any, H: Any, n_inner: int, tol: float) -> tuple[Any, Any, Any]:
        """New coefficients by HALS sweeps for the basis V, and the products of these."""
        new = self.hals(H, V @ Xt.T, self._gram(V), n_inner, tol)
        return new, *self.products(Xt, new)

    def descend_coefficients(self, Xt: Any, V: Any, H: Any, L: float, n_inner: int, tol: float) -> tuple[Any, Any, Any]:
        """The same by fast gradient steps."""
        new, C, own = H.copy(), V @ Xt.T, self._gram(V)
        r, n = H.shape
        rows = self._rows(r, r * H.dtype.itemsize, 0)
        shared = 8 * HALS_BLOCK // WARP + rows * r * H.dtype.itemsize
        more = cp.empty((2, r, n), H.dtype)
        arguments = (new, C, own, r, n, float(L), n_inner, float(tol), rows, more)
        self.device.launch("descend", H.dtype, (-(-n // HALS_BLOCK),), HALS_BLOCK, arguments, shared)
        return new, *self.products(Xt, new)

    def residual(self, Xt: Any, V: Any, H: Any) -> float:
        """``||X - W H||_F^2``: products in the type of X, differences and sum in float64."""
        n, m = Xt.shape
        step, total = max(1, _RESIDUALS // (m * Xt.dtype.itemsize)), 0.0
        for a in range(0, n, step):
            images = Xt[a : a + step]
            fit = cp.ascontiguousarray(H[:, a : a + step].T) @ V
            total += self._squares(images, fit, self._no_index, images.size, 0)
        return total

    def refill_at(self, Xt: Any, V: Any, H: Any, where: Any) -> float:
        """Write the fit into the entries at `where` of the flat Xt; the sum of its squares."""
        (n, m), r, count = Xt.shape, len(V), int(where.size)
        self.device.launch("refill", Xt.dtype, (self._blocks(count),), _BLOCK, (Xt, V, H, where, count, r, m, n))
        return self._squares(Xt, Xt, where, count, 1)

    def _gram(self, V: Any) -> Any:
        """``V V'`` of a basis, which an iteration asks for twice; it is never written again."""
        of, gram = self._last_gram
        if of is None or of() is not V:
            gram = V @ V.T
            self._last_gram = weakref.ref(V), gram
        return gram

    # One factor

    def hals(self, V: Any, B: Any, G: Any, n_inner: int, tol: float) -> Any:
        """HALS sweeps over the rows of V, which is kept."""
        new, (r, n), size = cp.empty_like(V), V.shape, V.dtype.itemsize
        pad, columns = -(-r // 4) * 4, r * HALS_BLOCK * size
        keeps = columns + 2 * (pad + 1) * size + 1024 <= min(_SIDE_BY_SIDE, self.device.most_shared)
        taken = columns if keeps else 0
        rows = self._rows(r, (pad + 1) * size, taken)
        shared = 8 * HALS_BLOCK // WARP + rows * (pad + 1) * size + taken
        arguments = (V, new, B, G, r, n, n_inner, float(tol), rows, pad, int(keeps))
        self.device.launch("hals", V.dtype, (-(-n // HALS_BLOCK),), HALS_BLOCK, arguments, shared)
        return new

    def shared_price(
        self, V: Any, B: Any, G: Any, s: float, weights: Array | None, mu: float, share: float, n_inner: int, tol: float
    ) -> tuple[Any, float]:
        """As `Backend.shared_price`, in one launch; what meets a rare case is settled by the host's kernel."""
        r, m = V.shape
        w = None if weights is None else weights.astype(V.dtype)
        if m > 1:
            pieces, constants = self.projector.pieces(r, m), self.projector.weights(r, m, w)
            room = self.projector.room(pieces, V.dtype)
            new, wanted = cp.empty_like(V), cp.empty_like(V)
            asked = Asked(wanted.reshape(-1), pieces, constants, s, GROUP, room)
            self.projector.price(asked, mu, (B, G, G @ V), (V, new), share, n_inner, tol)
            run = cp.asnumpy(room.run)
            if not run[WORST]:
                return new, float(run[HINT])
        get = self.device.get
        new, mu = shared_price(get(V), get(B), get(G), s, w, mu, share, n_inner, tol)
        return self.device.put(new), mu

    def _rows(self, r: int, of_each: int, taken: int) -> int:
        """Rows of the Gram matrix that shared memory holds beside its other content: all, or an even number."""
        fitting = (min(_SIDE_BY_SIDE, self.device.most_shared) - 1024 - taken) // of_each
        return r if fitting >= r else max(2, fitting // 2 * 2)

    def gradient_step(self, Y: Any, B: Any, G: Any, L: float) -> Any:
        """``max(0, Y - (G Y - B) / L)``."""
        out = cp.empty_like(Y)
        cp.matmul(G, Y, out=out)
        self._clip(Y, B, L, out, cp.zeros(RUN, np.float64))
        return out

    def _clip(self, Y: Any, B: Any, L: float, out: Any, run: Any) -> None:
        """A gradient step from the product ``G Y`` in `out`."""
        arguments = (Y, B, Y.size, 1.0 / L, out, run)
        self.device.launch("clip_step", Y.dtype, (self._blocks(Y.size),), _BLOCK, arguments)

    def extrapolate(self, new: Any, old: Any, Y: Any, beta: float) -> tuple[Any, float, float]:
        """``new + beta (new - old)``, ``||new - old||_F^2`` and ``<Y - new, new - old>``."""
        out, blocks = cp.empty_like(new), self._blocks(new.size)
        sums = cp.empty((blocks, 2), np.float64)
        self.device.launch(
            "momentum", new.dtype, (blocks,), _BLOCK, (new, old, Y, new.size, float(beta), out, sums), self._scratch()
        )
        moved, uphill = cp.asnumpy(sums).sum(axis=0)
        return out, float(moved), float(uphill)

    def descend(
        self,
        V: Any,
        B: Any,
        G: Any,
        largest: Callable[[], float],
        n_inner: int,
        tol: float,
        kind: str,
        s: float,
        weights: Array | None,
        mu0: float,
    ) -> tuple[Any, Any, float] | None:
        """All steps of a fast projected gradient in one launch, or queued at once; see `Remote`."""
        r = len(V)
        pad = self.projector.pad_of(r, V.dtype) if r * V.size < _LARGE else 0
        asked = (n_inner, tol, _KINDS[kind], s, weights, mu0, pad)
        if pad:
            new, dense, state = self._steps(V, B, G, 0.0, *asked)
        if not pad or state[WORST] == UNBOUNDED_GRAM:
            L = largest()
            if L <= 0.0:
                return None
            new, dense, state = self._steps(V, B, G, L, *asked)
        return None if state[WORST] else (new, dense, float(state[HINT]))

    def _steps(
        self,
        V: Any,
        B: Any,
        G: Any,
        L: float,
        n_inner: int,
        tol: float,
        number: int,
        s: float,
        weights: Array | None,
        mu0: float,
        pad: int,
    ) -> tuple[Any, Any, Array]:
        """The basis after an update, its last gradient step, and the run's state."""
        r, m = V.shape
        pieces = self.projector.pieces(r, m)
        constants = self.projector.weights(r, m, None if weights is None else weights.astype(V.dtype))
        run = cp.empty(RUN, np.float64) if pad else cp.zeros(RUN, np.float64)
        room = self.projector.room(pieces, V.dtype, run)
        dense = cp.empty_like(V)
        new, Y = (cp.empty_like(V), cp.empty_like(V)) if pad else (V.copy(), V.copy())
        target = cp.full(r, float(s)) if number == EACH else s
        asked = Asked(dense.reshape(-1), pieces, constants, target, number, room)
        if pad:
            self.projector.steps(asked, mu0, (V, new, Y), (B, G, L), pad, n_inner, tol)
        for k in range(0 if pad else n_inner):
            cp.matmul(G, Y, out=dense)
            self._clip(Y, B, L, dense, run)
            self.projector.steps(asked, OF_RUN if k else mu0, (V, new, Y), (B, G, L), 0, 1, tol)
            if bool(cp.asnumpy(run[IS_DONE])):
                break
        return new, dense, cp.asnumpy(run)

    # Projections

    def project_rows(
        self, V: Any, s: float, weights: Array | None = None, out: Any = None, mu0: float = 0.0
    ) -> tuple[Any, float]:
        """As `Backend.project_rows`; weights are those of the host."""
        r, m = V.shape
        w = None if weights is None else weights.astype(V.dtype)
        pieces, constants = self.projector.pieces(r, m), self.projector.weights(r, m, w)
        values, solution = project(
            self.projector,
            V.reshape(-1),
            pieces,
            constants,
            s,
            mu0,
            w if w is None else w.reshape(-1),
            equal_offsets(r, m),
        )
        values = values.reshape(r, m)
        if out is not None:
            out[...] = values
            values = out
        return values, solution.mu

    # Between the kernels

    def balance(
        self, V: Any, H: Any, B: Any, G: Any, frozen: tuple[int, ...] = (), ratio: float = 1.0
    ) -> tuple[Any, Any, Any, Any]:
        """Rows of V and H scaled to norms of this ratio."""
        (r, m), n = V.shape, H.shape[1]
        numbers = self._row_numbers(V, None, None, None, None)
        new = tuple(cp.empty_like(array) for array in (V, H, B, G))
        grid = (r, max(1, min(_MOST_BLOCKS // 4, max(m, n) // (4 * _BLOCK))))
        arguments = (V, H, B, G, numbers, self._held(r, frozen), float(ratio), r, m, n, *new)
        self.device.launch("balance", V.dtype, grid, _BLOCK, arguments)
        return new[0], new[1], new[2], new[3]

    @staticmethod
    def _marked(r: int, frozen: tuple[int, ...]) -> Any:
        held = np.zeros(r, np.int64)
        held[list(frozen)] = 1
        return cp.asarray(held)

    def measure(self, V: Any, B: Any, G: Any, weights: Array | None) -> Measured:
        """Error terms, sparsities and live basis images, in one look at V."""
        numbers = cp.asnumpy(self._row_numbers(V, weights, B, self._gram(V), G))
        return Measured(
            fit=float(numbers[:, _B].sum()),
            own=float(numbers[:, _G].sum()),
            sparsities=self._sparsities(V, weights, numbers),
            is_alive=(numbers[:, _TOP] > 0) & (numbers[:, _USE] > 0),
        )

    def sparsities(self, V: Any, weights: Array | None = None) -> Array:
        """Hoyer sparsity of the rows of V, weighted where weights are given."""
        return self._sparsities(V, weights, cp.asnumpy(self._row_numbers(V, weights, None, None, None)))

    def _sparsities(self, V: Any, weights: Array | None, numbers: Array) -> Array:
        r, m = V.shape
        if m < 2:
            return np.zeros(r)
        top, w = numbers[:, _TOP], None if weights is None else weights.astype(V.dtype)
        if not np.isfinite(top).all() or top.max() > _SAFE[1] or top[top > 0].min(initial=1.0) < _SAFE[0]:
            flat = None if w is None else np.ascontiguousarray(w).reshape(-1)
            return hoyer_flat(cp.asnumpy(V).reshape(-1), equal_offsets(r, m), flat)
        constants = self.projector.weights(r, m, w).constants
        lengths = np.sqrt(numbers[:, _L2])
        ratio = np.divide(numbers[:, _L1], lengths, out=np.ones(r), where=lengths > 0)
        found = np.clip((constants[NORM] - ratio) / constants[SPAN], 0.0, 1.0)
        return np.where(top > 0, found, 1.0)

    def _row_numbers(self, V: Any, weights: Array | None, B: Any, own: Any, G: Any) -> Any:
        r, m = V.shape
        w = self.projector.weights(r, m, None if weights is None else weights.astype(V.dtype)) if m > 1 else None
        out = cp.empty((r, _NUMBERS), np.float64)
        others = (V, V, V) if B is None else (B, own, G)
        values, kind = (V, 0) if w is None or w.kind == 0 else (w.values, w.kind)
        arguments = (V, r, m, values, kind, *others, int(B is not None), out)
        self.device.launch("row_numbers", V.dtype, (r,), _BLOCK, arguments, self._scratch())
        return out

    def penalized(self, V: Any, B: Any, G: Any, multiple: Array) -> Any:
        """The right-hand side of l1 A-HALS."""
        r, m = V.shape
        out, numbers = cp.empty_like(B), self._row_numbers(V, None, None, None, None)
        grid = (r, max(1, min(_MOST_BLOCKS // 4, m // (4 * _BLOCK))))
        arguments = (V, B, numbers, cp.asarray(np.ascontiguousarray(multiple, np.float64).reshape(-1)), G, r, m, out)
        self.device.launch("penalize", V.dtype, grid, _BLOCK, arguments)
        return out

    def distance(self, a: Any, b: Any) -> float:
        """``||a - b||_F``."""
        return float(np.sqrt(self._squares(a, b, self._no_index, a.size, 0)))

    def take(self, V: Any, rows: Array) -> Any:
        """``V[rows]``, new and C-contiguous."""
        return cp.ascontiguousarray(cp.take(V, cp.asarray(rows), axis=0))

    def replaced(self, V: Any, rows: Array, new: Any) -> Any:
        """V with other rows."""
        out = V.copy()
        out[cp.asarray(rows)] = new
        return out

    def _squares(self, a: Any, b: Any, index: Any, size: int, kind: int) -> float:
        blocks = self._blocks(size)
        sums = cp.empty(blocks, np.float64)
        self.device.launch("squares", a.dtype, (blocks,), _BLOCK, (a, b, index, size, kind, sums), self._scratch())
        return float(cp.asnumpy(sums).sum())

    @staticmethod
    def _blocks(size: int) -> int:
        return max(1, min(_MOST_BLOCKS, -(-size // (4 * _BLOCK))))

    @staticmethod
    def _scratch() -> int:
        return 8 * _BLOCK // WARP
