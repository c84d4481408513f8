"""One order of summation over the images, on every device: blocks of fixed size, combined in one binary tree.

Sums of floating-point numbers depend on their order, and a run amplifies their last bits: inner stops and restarts are
decisions. So all sums over images are taken over blocks whose size follows from an image's size alone, and blocks are
added in a tree over their numbers: blocks 0 and 1, 2 and 3, ..., then pairs of pairs. Any aligned range of 2^k blocks
is a node of that tree, a sum that one thread, one pass over a file or one worker can make without the others. The last
node of a level may have fewer blocks than the others; nothing is added for those that are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.arrays import Array

#: Images of a block. Multiples of `backend.HALS_BLOCK`, so that no block of coefficients is cut. Few, so that threads
#: have equal shares of a small data set; more where the products are larger than a cache and adding them takes time;
#: few again, up to so many bytes, where a block of images has to be in memory.
_FEW, _MANY, _LEAST = 128, 256, 64
#: Bytes of an image from which on there are many, and of a block at most.
_LARGE_IMAGE, _BLOCK_BYTES = 1 << 12, 1 << 22
#: Entries that are squared at once, so that they stay in the cache.
_ENTRIES = 1 << 18
#: Pixels of a block: products of blocks in float32 lose no more than the products' own factors did.
_PIXELS = 1024


def images_of_block(m: int, dtype: npt.DTypeLike) -> int:
    """Images that are summed first, by one thread: a power of two that depends on an image's bytes alone."""
    each = m * np.dtype(dtype).itemsize
    size = _FEW if each <= _LARGE_IMAGE else _MANY
    while size > _LEAST and size * each > _BLOCK_BYTES:
        size //= 2
    return size


@dataclass(frozen=True, eq=False)
class Node:
    """A sum over the blocks `first` to `stop`: a number, an array, or a tuple of these."""

    first: int
    stop: int
    value: Any


def nodes(first: int, stop: int, end: int, most: int | None = None) -> Iterator[tuple[int, int]]:
    """The largest nodes that cover the blocks `first` to `stop` of a tree that ends with block `end`.

    Parameters
    ----------
    first, stop, end : int
        ``0 <= first <= stop <= end``.
    most : int, optional
        Blocks of a node, at most; a power of two.

    Yields
    ------
    (int, int)
        The first block of a node and the one behind its last.
    """
    while first < stop:
        size = 1
        while first % (2 * size) == 0 and (most is None or 2 * size <= most):
            if first + size >= stop or (first + 2 * size > stop and stop != end):
                break
            size *= 2
        last = min(first + size, stop)
        yield first, last
        first = last


class TreeSum:
    """A sum over blocks that come in order, as nodes of any size."""

    def __init__(self, given: Iterable[Node] = ()) -> None:
        #: Nodes that cannot be added yet, as those between them are missing: one a level at most.
        self.nodes: list[Node] = []
        for node in given:
            self.add(node)

    def add(self, node: Node) -> None:
        """Append the node that follows on the last one."""
        self.nodes.append(node)
        while len(self.nodes) > 1:
            left, right = self.nodes[-2:]
            size = left.stop - left.first
            if size != right.stop - right.first or size & (size - 1) or left.first % (2 * size):
                return
            self.nodes[-2:] = [Node(left.first, right.stop, _sum(left.value, right.value))]

    def total(self) -> Any:
        """The sum over all blocks, the first of which was block 0."""
        total = self.nodes[-1].value
        for node in self.nodes[-2::-1]:
            total = _sum(node.value, total)
        return total


def tree_sum(values: Array) -> Any:
    """The sum (...) over the first axis of (blocks, ...), that of the blocks 0, 1, ... of a tree."""
    while len(values) > 1:
        pairs = values[: len(values) // 2 * 2]
        values = np.concatenate([pairs[::2] + pairs[1::2], values[len(pairs) :]])
    return values[0]


def block_slices(m: int, n: int, dtype: npt.DTypeLike) -> Iterator[tuple[int, slice]]:
    """The number of each block of n images, and which images are in it."""
    step = images_of_block(m, dtype)
    for number, start in enumerate(range(0, n, step)):
        yield number, slice(start, min(n, start + step))


def _sum(left: Any, right: Any) -> Any:
    if isinstance(left, tuple):
        return tuple(map(_sum, left, right))
    return left + right


def fold(values: Iterable[Any]) -> Any:
    """The sum of the values of the blocks 0, 1, ... of a tree."""
    return TreeSum(Node(number, number + 1, value) for number, value in enumerate(values)).total()


def squared_norms_of_blocks(Xt: Array) -> Array:
    """``||.||_F^2`` of each block of images in rows (n, m), float64.

    Not by BLAS, whose sums depend on its threads, nor by einsum, which may cut a row where its buffer ends.
    """
    n, m = Xt.shape
    found = []
    for _, some in block_slices(m, n, Xt.dtype):
        found.append(squared_norms(Xt[some]).sum())
    return np.array(found)


def squared_norms(Xt: Array) -> Array:
    """``||x_j||^2`` of images in rows (n, m), float64; each as if it were alone."""
    step = max(1, _ENTRIES // max(1, Xt.shape[1]))
    found = np.empty(len(Xt))
    for a in range(0, len(Xt), step):
        rows = np.ascontiguousarray(Xt[a : a + step])
        found[a : a + step] = np.square(rows, dtype=np.float64).sum(axis=1)
    return found


def self_product(W: Array) -> Array:
    """``W'W`` (r, r) in float64, of blocks that are multiplied in W's own type: twice as fast where that is float32."""
    total = np.zeros((W.shape[1], W.shape[1]))
    for a in range(0, len(W), _PIXELS):
        block = W[a : a + _PIXELS]
        total += block.T @ block
    return total


def inner_product(W: Array, A: Array) -> float:
    """``<W, A>`` in float64, of blocks that are multiplied in their own type."""
    if W.flags.f_contiguous and A.flags.f_contiguous:
        W, A = W.T, A.T
    step = max(1, (1 << 16) // max(1, W.shape[1]))
    return sum(float(np.vdot(W[a : a + step], A[a : a + step])) for a in range(0, len(W), step))
