"""A backend's kernels for data wherever they lie: in memory, in blocks, on the host for a device.

X enters an iteration only through sums over images (H X', H H', ||X||^2) and through what each image does by itself
(its coefficients). So of data that are read in blocks the kernels run on some images after others, and their sums are
added in the one order of `summation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gsp_studio.backends.ahead import Kernel, updating_ahead
from gsp_studio.backends.backend import Backend, is_out_of_core
from gsp_studio.backends.blocks import Rows
from gsp_studio.backends.cpu.arrays import OPERATIONS, step_distance
from gsp_studio.backends.data_access import keeps_coefficients
from gsp_studio.backends.summation import Node, TreeSum, images_of_block


def prepared(X: Any, backend: Backend) -> tuple[Any, Backend]:
    """X as kernels take it, and the kernels that do.

    Parameters
    ----------
    X : ndarray (m, n), float32 or float64, or BlockMatrix, or what brings its own kernels (`core.distributed.matrix`)
    backend : Backend

    Returns
    -------
    Xt : ndarray (n, m) or Rows
        C-contiguous and read-only, as numba's kernels are compiled for; in place where every image is contiguous.
    backend : Backend
    """
    if keeps_coefficients(X):
        return X.T, X.kernels(hosted(backend))
    if is_out_of_core(X):
        return X.T, streaming(backend) if backend.remote is None else hosted(backend.remote.streamed())
    backend = hosted(backend)
    Xt = np.ascontiguousarray(X.T).view()
    Xt.flags.writeable = False
    return Xt, backend


def adopted(X: Any, backend: Backend, rank: int) -> tuple[Any, Backend]:
    """X where a run's arrays are, and the kernels that take it: on a device images that fit beside its factors stay.

    Parameters
    ----------
    X : ndarray (m, n), float32 or float64, or BlockMatrix, or a matrix with `kernels`
    backend : Backend
    rank : int
        Of the factors. Images that do not fit a device beside these are streamed there.

    Returns
    -------
    Xt : array (n, m) or Rows
        On the device where there is one, else as `prepared` gives it.
    backend : Backend
    """
    if backend.remote is None:
        return prepared(X, backend)
    if is_out_of_core(X):
        return X.T, backend.remote.streamed()
    return backend.remote.adopt(np.ascontiguousarray(X.T), rank)


def for_host(backend: Backend, Xt: Any) -> Backend:
    """The backend as edits take it: for factors of the host, about the images Xt that it has."""

    def encode(images: Any, V: Any) -> Any:
        return backend.get(backend.encode(Xt, backend.put(V)))

    return replace(backend, encode=encode)


def hosted(backend: Backend) -> Backend:
    """The kernels of a device for arrays of the host, which go there and come back in every call.

    For what is done once, or in parts that keep their coefficients on the host; a run keeps its arrays on the device.
    """
    if backend.remote is None:
        return backend

    def through(kernel: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            found = kernel(*(backend.put(arg) if isinstance(arg, np.ndarray) else arg for arg in args))
            if isinstance(found, tuple):
                return tuple(backend.get(part) for part in found)
            return found if isinstance(found, float) else backend.get(found)

        return call

    of_images = ("products", "sweep_coefficients", "descend_coefficients", "update_ahead", "encode", "residual")
    kernels: dict[str, Any] = {name: through(getattr(backend, name)) for name in (*of_images, "gradient_step")}
    kernels["step_distance"] = step_distance(kernels["gradient_step"])
    return replace(backend, descend=None, transfer=None, remote=None, **kernels, **OPERATIONS)


def streaming(
    backend: Backend, blocks: Callable[[Rows], Iterator[tuple[slice, Any]]] = lambda Xt: Xt.T.blocks(), xp: Any = np
) -> Backend:
    """A backend whose kernels take `Rows` for Xt: the same kernels, one block of images after another.

    Parameters
    ----------
    backend : Backend
    blocks : Rows -> iterator of (slice, block)
        One pass over the images; of a device its own brings them there.
    xp : module
        Of the arrays: NumPy, or what a device has in its place.
    """

    def part(H: Any, some: slice) -> Any:
        return xp.ascontiguousarray(H[:, some])

    def numbers(Xt: Rows, some: slice) -> tuple[int, int]:
        step = images_of_block(Xt.shape[1], Xt.dtype)
        return some.start // step, -(-some.stop // step)

    def products(Xt: Rows, H: Any) -> tuple[Any, Any]:
        total = TreeSum()
        for some, block in blocks(Xt):
            total.add(Node(*numbers(Xt, some), tuple(backend.products(block, part(H, some)))))
        found: tuple[Any, Any] = total.total()
        return found

    def update(kernel: Kernel, Xt: Rows, V: Any, H: Any, *rest: Any) -> tuple[Any, Any, Any]:
        total, new = TreeSum(), xp.empty_like(H)
        for some, block in blocks(Xt):
            new[:, some], B, G = kernel(block, V, part(H, some), *rest)
            total.add(Node(*numbers(Xt, some), (B, G)))
        B, G = total.total()
        return new, B, G

    def encode(Xt: Rows, V: Any) -> Any:
        out = xp.empty((len(V), len(Xt)), V.dtype)
        for some, block in blocks(Xt):
            out[:, some] = backend.encode(block, V)
        return out

    def residual(Xt: Rows, V: Any, H: Any) -> float:
        total = TreeSum()
        for some, block in blocks(Xt):
            total.add(Node(*numbers(Xt, some), backend.residual(block, V, part(H, some))))
        return float(total.total())

    def sweep(*args: Any) -> tuple[Any, Any, Any]:
        return update(backend.sweep_coefficients, *args)

    def descend(*args: Any) -> tuple[Any, Any, Any]:
        return update(backend.descend_coefficients, *args)

    return replace(
        backend,
        products=products,  # type: ignore[arg-type]
        sweep_coefficients=sweep,
        descend_coefficients=descend,
        update_ahead=updating_ahead(sweep, descend, xp=xp),
        encode=encode,  # type: ignore[arg-type]
        residual=residual,  # type: ignore[arg-type]
    )
