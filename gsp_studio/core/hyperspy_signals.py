"""Factors as signals of hyperspy, with their axes; and the description of an axis as hyperspy has it."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from gsp_studio.arrays import Array


class AxisLike(Protocol):
    """Axis of a data set, see `io.axes.Axis`."""

    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def scale(self) -> float: ...
    @property
    def offset(self) -> float: ...
    @property
    def values(self) -> tuple[float, ...]: ...


class DatasetLike(Protocol):
    """Data set that a run was computed on, see `io.dataset.Dataset`."""

    @property
    def grid(self) -> tuple[int, int] | None: ...
    @property
    def channels(self) -> int: ...
    def axis(self, dimension: Literal["y", "x", "band"]) -> AxisLike: ...
    def as_images(self, vectors: Array) -> Array: ...
    def maps(self, coefficients: Array) -> Array: ...


def images_and_curves(W: Array, H: Array, dataset: DatasetLike) -> tuple[Array, Array]:
    """Spatial and spectral side of each component.

    Returns
    -------
    ndarray (rank, height, width), or (rank, height, width, 3) of images in colour
        Maps of spectra, else the basis images.
    ndarray (rank, bands)
        Spectra, else the coefficients along the images.
    """
    if dataset.grid is not None:
        return dataset.maps(H), W.T
    return dataset.as_images(W), H


def axis_entry(axis: AxisLike, size: int, default: str, *, is_navigated: bool = False) -> dict[str, Any]:
    """Description of an axis for hyperspy: evenly spaced, or by its listed coordinates under "axis"."""
    told: dict[str, Any] = {"name": axis.name or default, "navigate": is_navigated}
    if axis.unit:
        told["units"] = axis.unit
    if axis.values:
        return told | {"axis": list(axis.values), "size": size}
    return told | {"scale": axis.scale, "offset": axis.offset, "size": size}


def axes_entries(
    dataset: DatasetLike, images: Array, curves: Array
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Axes of the images and of the curves of components, which the first axis of both counts."""
    first = {"name": "component", "navigate": True, "scale": 1.0, "offset": 0.0, "size": len(images)}
    plane = [axis_entry(dataset.axis("y"), images.shape[1], "y"), axis_entry(dataset.axis("x"), images.shape[2], "x")]
    return [first, *plane], [first, axis_entry(dataset.axis("band"), curves.shape[1], "band")]


def signals(W: Array, H: Array, dataset: DatasetLike | None) -> tuple[Any, Any]:
    """Factors and loadings as hyperspy's signals, see `Result.to_hyperspy`."""
    try:
        from hyperspy.signals import Signal1D, Signal2D  # type: ignore[import-not-found]
    except ImportError as error:
        raise ImportError("to_hyperspy needs hyperspy: pip install hyperspy") from error
    if dataset is None:
        return Signal1D(W.T), Signal1D(H)
    if dataset.channels != 1:
        raise ValueError("images in colour are no signals of hyperspy; accepted are grey images and spectra")
    images, curves = images_and_curves(W, H, dataset)
    of_images, of_curves = axes_entries(dataset, images, curves)
    made = Signal2D(images.copy(), axes=of_images), Signal1D(curves.copy(), axes=of_curves)
    return made if dataset.grid is None else made[::-1]
