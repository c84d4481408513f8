"""Some of the images, with the work of an iteration on them: the one cut that streaming and clusters share.

X enters an iteration through sums over images and through each image's own coefficients. So all that touches X or H
is a function of `Images`: of all of them, in memory or read in blocks, or of the part that one worker of a cluster
holds. Each gives its share of a sum, as nodes of the tree of `summation`, and new coefficients that stay where the
images are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends import get_backend
from gsp_studio.backends.backend import Backend
from gsp_studio.backends.blocks import BlockMatrix
from gsp_studio.backends.kernels import prepared
from gsp_studio.backends.summation import Node, TreeSum, block_slices, images_of_block, nodes
from gsp_studio.core.metrics import largest, squared_norms_of_images
from gsp_studio.core.residuals import Sums, sums_over


@dataclass(frozen=True, eq=False)
class ImagesOfNode:
    """Images that are a node of the tree of sums, as a matrix of their own.

    Attributes
    ----------
    first, stop : int
        The node's blocks.
    columns : slice
        The images among those that one worker has.
    Xt : ndarray (k, m), or Rows
    backend : Backend
        As `kernels.prepared` gives both.
    """

    first: int
    stop: int
    columns: slice
    Xt: Any
    backend: Backend


@dataclass(frozen=True, eq=False)
class Images:
    """Images and the kernels that take them.

    Attributes
    ----------
    Xt : ndarray (k, m), or Rows
    backend : Backend
        As `kernels.prepared` gives both.
    first : int
        The number of the first one among all images; it begins a block of the tree of sums.
    nodes : tuple of ImagesOfNode
        The same images, of a worker.
    """

    Xt: Any
    backend: Backend
    first: int = 0
    nodes: tuple[ImagesOfNode, ...] = ()

    def blocks(self) -> Iterator[tuple[int, slice]]:
        """The number of each block among all, and its images here."""
        n, m = self.Xt.shape
        before = self.first // images_of_block(m, self.Xt.dtype)
        for number, some in block_slices(m, n, self.Xt.dtype):
            yield before + number, some

    def sums(self, of_block: Callable[[slice], Any]) -> list[Node]:
        """Sum over these images the values of each block."""
        total = TreeSum()
        for number, some in self.blocks():
            total.add(Node(number, number + 1, of_block(some)))
        return total.nodes


def total_of(answers: Iterable[list[Node]]) -> Any:
    """Add the sums of all parts, in the order of their images."""
    return TreeSum(node for answer in answers for node in answer).total()


#: (images, their coefficients or None, ...) -> (its share of the answer, new coefficients or None)
Work = Callable[..., tuple[Any, Array | None]]


def norm2(images: Images, H: Array | None) -> tuple[tuple[list[Node], float], None]:
    """``||X||_F^2`` and the largest value; looks at all values and checks them."""
    of_nodes = [Node(node.first, node.stop, node.Xt.T.squared_norm) for node in images.nodes]
    return (of_nodes, max(node.Xt.T.largest for node in images.nodes)), None


def uniform(images: Images, H: Array | None, seed: int, skipped: int, rank: int, n: int) -> tuple[None, Array]:
    """Coefficients that ``default_rng(seed)`` draws row by row for n images, after `skipped` other numbers."""
    mine = np.empty((rank, len(images.Xt)), images.Xt.dtype)
    for k, row in enumerate(mine):
        bits = np.random.PCG64(seed)
        bits.advance(skipped + k * n + images.first)  # a number in [0, 1) takes one step of PCG64
        row[:] = np.random.Generator(bits).random(len(row))
    return None, mine


def given(images: Images, H: Array | None, coefficients: Array) -> tuple[None, Array]:
    """These coefficients."""
    return None, np.array(coefficients, images.Xt.dtype, order="C")


def products(images: Images, H: Array) -> tuple[list[Node], None]:
    """``H X'`` and ``H H'``."""
    return [
        Node(node.first, node.stop, node.backend.products(node.Xt, np.ascontiguousarray(H[:, node.columns])))
        for node in images.nodes
    ], None


def sweep(images: Images, H: Array | None, V: Array, n_inner: int, tol: float) -> tuple[list[Node], Array]:
    """New coefficients by HALS sweeps, from zero for None, with their products."""
    before = np.zeros((len(V), len(images.Xt)), V.dtype) if H is None else H
    return _update(images, before, lambda node, of: node.backend.sweep_coefficients(node.Xt, V, of, n_inner, tol))


def descend(images: Images, H: Array, V: Array, L: float, n_inner: int, tol: float) -> tuple[list[Node], Array]:
    """New coefficients by fast gradient steps, with their products."""
    return _update(images, H, lambda node, of: node.backend.descend_coefficients(node.Xt, V, of, L, n_inner, tol))


def ahead(
    images: Images, H: Array, V: Array, beta: float, L: float, n_inner: int, tol: float, before: Array
) -> tuple[list[Node], Array]:
    """As `Backend.update_ahead`; `before` are the coefficients before H."""
    new, sums = np.empty_like(H), []
    for node in images.nodes:
        h, old = (np.ascontiguousarray(array[:, node.columns]) for array in (H, before))
        new[:, node.columns], *found = node.backend.update_ahead(node.Xt, V, h, old, beta, L, n_inner, tol)
        sums.append(Node(node.first, node.stop, tuple(found)))
    return sums, new


def _update(
    images: Images, H: Array, update: Callable[[ImagesOfNode, Array], tuple[Array, Array, Array]]
) -> tuple[list[Node], Array]:
    new, sums = np.empty_like(H), []
    for node in images.nodes:
        new[:, node.columns], B, G = update(node, np.ascontiguousarray(H[:, node.columns]))
        sums.append(Node(node.first, node.stop, (B, G)))
    return sums, new


def encode(images: Images, H: Array | None, V: Array) -> tuple[Array, None]:
    """``W'X``, a number for every image and basis image."""
    return images.backend.encode(images.Xt, V), None


def residual(images: Images, H: Array, V: Array) -> tuple[list[Node], None]:
    """``||X - W H||_F^2``."""
    return [
        Node(node.first, node.stop, node.backend.residual(node.Xt, V, np.ascontiguousarray(H[:, node.columns])))
        for node in images.nodes
    ], None


def stationarity(images: Images, H: Array, V: Array, L: float, lengths: Array) -> tuple[list[Node], None]:
    """``||K - max(0, K - (V V' K - V X) / L)||_F^2``; K: the rows of H times `lengths`."""
    C, own, scale = images.backend.encode(images.Xt, V), V @ V.T, lengths.astype(H.dtype)[:, None]

    def of_block(some: slice) -> float:
        h, c = scale * H[:, some], np.ascontiguousarray(C[:, some])
        return float(np.square(h - images.backend.gradient_step(h, c, own, L), dtype=np.float64).sum())

    return images.sums(of_block), None


def pixels(images: Images, H: Array | None, numbers: Array) -> tuple[Array, None]:
    """Images (k, m) by their numbers here."""
    return np.array(images.Xt[numbers]), None


def coefficients(images: Images, H: Array, chosen: slice | Array) -> tuple[Array, None]:
    """Columns (r, k) by their numbers here."""
    return np.ascontiguousarray(H[:, chosen]), None


def row(images: Images, H: Array, k: int) -> tuple[Array, None]:
    """A row, (k,)."""
    return H[k].copy(), None


def top(images: Images, H: Array, k: int, count: int) -> tuple[tuple[Array, Array], None]:
    """The `count` largest coefficients of basis image k, and the numbers of their images among all."""
    at = largest(H[k], count)
    return (H[k][at], at + images.first), None


def lengths(images: Images, H: Array) -> tuple[list[Node], None]:
    """Sums and sums of squares of the rows, (r,) each, in float64."""

    def of_block(some: slice) -> tuple[Array, Array]:
        h = np.array(H[:, some], np.float64, order="C")
        return h.sum(axis=1), np.square(h).sum(axis=1)

    return images.sums(of_block), None


def residuals(images: Images, H: Array, W: Array) -> tuple[Sums, None]:
    """Return the share of these images in the residuals of all, see `residuals.residuals`."""
    return sums_over(images.Xt.T, W, H, first=images.first), None


def without(images: Images, H: Array, k: int) -> tuple[None, Array]:
    """The coefficients without row k."""
    return None, np.delete(H, k, axis=0)


def with_empty(images: Images, H: Array) -> tuple[None, Array]:
    """The coefficients with one more row, of zeros."""
    return None, np.vstack([H, np.zeros_like(H[:1])])


def worst(images: Images, H: Array, V: Array, count: int) -> tuple[tuple[Array, Array], None]:
    """Squared errors and numbers, among all images, of the `count` worst described ones; the worst comes first."""
    C, own = images.backend.encode(images.Xt, V), V @ V.T
    left = squared_norms_of_images(images.Xt)
    for _, some in images.blocks():
        h = np.ascontiguousarray(H[:, some])
        left[some] += (h * (own @ h - 2.0 * C[:, some])).sum(axis=0)
    numbers = np.argsort(-left, kind="stable")[:count]
    return (left[numbers], numbers + images.first), None


def refit(images: Images, H: Array, V: Array, k: int) -> tuple[None, Array]:
    """Fit the coefficients of basis image k to the residual of the others."""
    H = H.copy()
    H[k] = 0.0
    square = float(V[k] @ V[k])
    if square > 0.0:
        others = V @ V[k]
        wanted = images.backend.encode(images.Xt, V[k : k + 1])[0]
        for _, some in images.blocks():
            H[k, some] = np.maximum((wanted[some] - others @ np.ascontiguousarray(H[:, some])) / square, 0.0)
    return None, H


@dataclass(frozen=True, eq=False)
class Order:
    """A piece of work for a part.

    Attributes
    ----------
    work : Work
    args : tuple
    of : (number, scale (r,) or None), optional
        Which coefficients it works on, and what their rows are multiplied by first.
    before : (number, scale (r,) or None), optional
        Earlier ones, for work that takes two.
    new : int
        The number that new coefficients get.
    dropped : tuple of int
        Numbers of coefficients that are not needed again.
    """

    work: Work
    args: tuple[Any, ...] = ()
    of: tuple[int, Array | None] | None = None
    before: tuple[int, Array | None] | None = None
    new: int = -1
    dropped: tuple[int, ...] = ()


class Unknown:
    """Instead of an answer: the part does not have these coefficients."""


class Part:
    """Images of one worker, and their coefficients, which stay there under numbers.

    Parameters
    ----------
    X : BlockMatrix
    first, total : int
        The number of its first image among all, and how many these are: both say where it is in the tree of sums.
    backend : str
        A backend's name, as for `get_backend`: that of the machine where this runs.
    threads : int, optional
    """

    def __init__(self, X: BlockMatrix, first: int, total: int, backend: str, threads: int | None = None) -> None:
        device = get_backend(backend, threads)
        self._scope = device.scope
        self._doing, self._unwanted = 0, -1  # numbers of calls
        step, n = images_of_block(X.shape[0], X.dtype), X.shape[1]

        def of_node(a: int, b: int) -> ImagesOfNode:
            columns = slice(a * step - first, min(n, b * step - first))
            some = X.part(columns.start, columns.stop).watched(self._is_unwanted)
            return ImagesOfNode(a, b, columns, *prepared(some, device))

        of_nodes = tuple(of_node(a, b) for a, b in nodes(first // step, -(-(first + n) // step), -(-total // step)))
        self.images = Images(*prepared(X.watched(self._is_unwanted), device), first, of_nodes)
        self._accelerator = "" if device.remote is None else device.device
        self._kept: dict[int, Array] = {}

    def _is_unwanted(self) -> bool:
        return self._doing == self._unwanted

    def do(self, order: Order, call: int = 0) -> Any:
        """Carry out an order and return its answer; `Unknown` for coefficients that are not here.

        Parameters
        ----------
        order : Order
        call : int
            The number that `interrupt` names it by, another one for every call; 0 for none.

        Raises
        ------
        Interrupted
            `interrupt` was called with this number, before or meanwhile.
        """
        self._doing = call
        for number in order.dropped:
            self._kept.pop(number, None)
        if any(version is not None and version[0] not in self._kept for version in (order.of, order.before)):
            return Unknown()
        two = {} if order.before is None else {"before": self._of(order.before)}
        with self._scope():
            answer, new = order.work(self.images, self._of(order.of), *order.args, **two)
        if new is not None:
            self._kept[order.new] = new
        return answer

    def accelerator(self) -> str:
        """The device that computes here, in words; "" where it is the processor."""
        return self._accelerator

    def interrupt(self, call: int) -> None:
        """End the pass of that call, from another thread; no other one, should that be over."""
        self._unwanted = call

    def _of(self, version: tuple[int, Array | None] | None) -> Array | None:
        if version is None:
            return None
        number, scale = version
        H = self._kept[number]
        return H if scale is None else H * scale.astype(H.dtype)[:, None]
