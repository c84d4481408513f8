"""The sorted path on the device: sorted there, searched there, and shown from there.

As `backends.cpu.path`; near ties, for which the tree has too few digits, go to the projection itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gsp_studio.backends.backend import Array
from gsp_studio.backends.cpu import group as host
from gsp_studio.backends.cpu.hoyer import hoyer_flat
from gsp_studio.backends.cpu.path import BLOCK, _tree_sizes
from gsp_studio.backends.cpu.projection import Solution
from gsp_studio.backends.cpu.root import HIGH, NOT_FINITE, OUT_OF_RANGE, ROOT, ROWS, UNBOUNDED, UNCHANGED, new_state
from gsp_studio.backends.cuda.driver import Device, cp
from gsp_studio.backends.cuda.groups import Pieces, Projector, Weights, make_pieces, make_weights, project

_BLOCK, WARP = 256, 32


class SortedGroup:
    """Vectors of a flat buffer of the host, kept and sorted on the device; as `backends.cpu.path.SortedGroup`.

    Attributes
    ----------
    start : ndarray (r,)
        The sparsities of the vectors themselves.
    finite : bool
        False where c holds NaN or infinity; then nothing else is there.
    """

    def __init__(self, device: Device, projector: Projector, c: Array, offsets: Array, w: Array | None = None) -> None:
        self._device, self._projector, self._offsets, self._w = device, projector, offsets, w
        table, state = np.empty((ROWS, len(offsets) - 1)), new_state()
        host.set_constants(offsets, w, table)
        outcome = host.inspect(c, offsets, table, state)
        self.finite = outcome != NOT_FINITE
        if not self.finite:
            return
        self._trusted = outcome != OUT_OF_RANGE
        self._bound = float(state[HIGH]) if self._trusted and w is None else UNBOUNDED
        self.start = hoyer_flat(c, offsets, w)
        with device.scope():
            self._c = cp.asarray(c)
            self._pieces: Pieces = make_pieces(offsets)
            self._constants: Weights = make_weights(offsets, w)
            self._sort(w)

    def _sort(self, w: Array | None) -> None:
        """One sort for all vectors: their numbers are the first key."""
        r, lengths = self._pieces.vectors, np.diff(self._offsets)
        sizes = cp.abs(self._c)
        if w is None and (lengths == lengths[0]).all():
            self._values = -cp.sort(-sizes.reshape(r, -1), axis=1).reshape(-1)
            self._weights = self._values
        else:
            own = cp.ones(1, sizes.dtype) if w is None else cp.asarray(np.resize(w, self._offsets[-1]))
            numbers = cp.asarray(np.repeat(np.arange(r, dtype=np.float64), lengths))
            # Entries of weight 0 never leave: their ratio is beyond all others, unless they are 0 themselves.
            ratios = sizes.astype(np.float64) / cp.maximum(own.astype(np.float64), 1e-300)
            order = cp.lexsort(cp.stack([-ratios, numbers]))
            self._values = sizes[order]
            self._weights = self._values if w is None else own[order]
        nodes = np.concatenate(([0], np.cumsum(_tree_sizes(lengths // BLOCK)))).astype(np.int64)
        self._nodes = cp.asarray(nodes)
        self._tree = [cp.empty(max(1, int(nodes[-1])), np.float64) for _ in range(3)]
        arguments = (*self._sorted(), self._pieces.offsets, self._nodes, *self._tree)
        self._device.launch("plant", self._c.dtype, (r,), _BLOCK, arguments)

    def _sorted(self) -> tuple[Any, Any, int]:
        return self._values, self._weights, int(self._w is not None)

    def _search(self, s: float) -> tuple[Any, Any]:
        """Queue a search: its result for each vector, and its outcome."""
        pieces, weights = self._pieces, self._constants
        found, result = cp.empty((pieces.vectors, 4)), cp.empty(3)
        arguments = (
            *(*self._sorted(), pieces.offsets, self._nodes, *self._tree, weights.gain, weights.norm, weights.span),
            *(pieces.vectors, float(s), self._bound, found, result),
        )
        shared = 8 * (12 + _BLOCK // WARP + 1)
        self._device.launch("path_search", self._c.dtype, (1,), _BLOCK, arguments, shared)
        return found, result

    def on_device(self, s: float) -> tuple[Any, Solution]:
        """The projected vectors at the target s, on the device."""
        if not self._trusted:
            return self._direct(s, 0.0)
        found, result = self._search(s)
        pieces, weights, out = self._pieces, self._constants, cp.empty_like(self._c)
        own = self._c if weights.kind == 0 else weights.values
        common = (self._c, own, weights.kind, pieces.offsets, found, result)
        grid = (pieces.vectors, max(1, min(1024, pieces.longest // (4 * _BLOCK))))
        self._device.launch("path_write", self._c.dtype, grid, _BLOCK, (*common, out))
        warps = _BLOCK // WARP
        blocks = min(1024, -(-pieces.vectors // warps))
        self._device.launch("path_singles", self._c.dtype, (blocks,), _BLOCK, (*common, pieces.vectors, out))
        mu, steps, outcome = (float(x) for x in cp.asnumpy(result))
        if int(outcome) not in (ROOT, UNCHANGED):
            return self._direct(s, mu)
        sparsities = cp.asnumpy(found)[:, 3].copy()
        return out, Solution(mu if outcome == ROOT else 0.0, sparsities, int(steps), int(outcome))

    def _direct(self, s: float, mu0: float) -> tuple[Any, Solution]:
        return project(self._projector, self._c, self._pieces, self._constants, s, mu0, self._w, self._offsets)

    def solve(self, s: float) -> Solution:
        """Multiplier and sparsities at the target s."""
        with self._device.scope():
            return self.on_device(s)[1]

    def project(self, s: float, out: Array) -> Solution:
        """The projected vectors at the target s into `out` (N,) of the host."""
        with self._device.scope():
            values, solution = self.on_device(s)
            out[...] = cp.asnumpy(values)
            return solution

    def greys(self, s: float, order: Array, span: float, most: float) -> tuple[Array, Solution, Array]:
        """The projection as the screen shows it, each vector white at its largest entry: bytes alone leave the device.

        Parameters
        ----------
        s : float
        order : ndarray of int
            Vectors in the order in which they are shown.
        span, most : float
            What the largest entry is multiplied to, and where values are cut.

        Returns
        -------
        ndarray (count, m), uint8
        solution : Solution
        tops : ndarray (count,)
            The largest entries.
        """
        r, m = self._pieces.vectors, self._pieces.longest
        with self._device.scope():
            values, solution = self.on_device(s)
            V = values.reshape(r, m)
            tops = V.max(axis=1)[cp.asarray(order)].astype(np.float64)
            gain = cp.where(tops > 0, span / cp.maximum(tops, 1e-300), 0.0)
            out = cp.empty((len(order), m), np.uint8)
            grid = (len(order), max(1, min(1024, m // (4 * _BLOCK))))
            arguments = (V, cp.asarray(np.ascontiguousarray(order, np.int64)), gain, len(order), m, float(most), out)
            self._device.launch("greys", V.dtype, grid, _BLOCK, arguments)
            return cp.asnumpy(out), solution, cp.asnumpy(tops)
