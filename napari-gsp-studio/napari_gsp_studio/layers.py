"""Image layers as data sets of GSP Studio, and their parts as layers; knows neither Qt nor napari."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gsp_studio import Axis, Dataset, DatasetError
from gsp_studio.io.images.names import NumberedNames, Places

#: Names of what one sample is.
SAMPLES = ("images", "pixels")


@dataclass(frozen=True)
class Placement:
    """Where the two axes of an image lie in the world of napari, rows first.

    Attributes
    ----------
    scale, translate : (float, float)
        In `units`.
    units : (str, str)
        "pixel" where there are none.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    translate: tuple[float, float] = (0.0, 0.0)
    units: tuple[str, str] = ("pixel", "pixel")


def placement_of(layer: Any) -> Placement:
    """The placement of the last two axes of an image layer, those of colours aside."""
    return Placement(
        (float(layer.scale[-2]), float(layer.scale[-1])),
        (float(layer.translate[-2]), float(layer.translate[-1])),
        (str(layer.units[-2]), str(layer.units[-1])),
    )


def dataset_of(layer: Any, samples: str) -> Dataset:
    """The planes of an image layer as a data set.

    Parameters
    ----------
    layer : napari.layers.Image
        Of three or more axes; those before the last two are run through, the last fastest. Of several resolutions the
        finest is taken.
    samples : "images" | "pixels"
        Whether each plane is a sample, or each pixel with its value in all planes.

    Raises
    ------
    DatasetError
        In one sentence: fewer than two planes, colours as samples of pixels, or values that are negative or not finite.
    """
    values = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    colours = 3 if layer.rgb else 1
    if layer.rgb:
        values = values[..., :3]  # without opacity
    planes = values.shape[: values.ndim - (3 if layer.rgb else 2)]
    count = int(np.prod(planes)) if planes else 1
    if count < 2:
        raise DatasetError(f"{layer.name} is one plane; accepted are layers of two or more, such as stacks and cubes")
    if layer.rgb and samples == "pixels":
        raise DatasetError(f"{layer.name} is in colour; accepted for spectra of pixels are layers of one value a pixel")
    height, width = values.shape[len(planes) : len(planes) + 2]
    stack = values.reshape(count, height * width, colours)
    X = np.ascontiguousarray(np.moveaxis(stack, 2, 1).reshape(count, -1), dtype=_type_for(values.dtype)).T
    if not X.any():
        raise DatasetError(f"{layer.name}: every value is zero; there is nothing to factorize")
    common: dict[str, Any] = {"order": "C", "name": layer.name, "axes": _axes_of(placement_of(layer))}
    if samples == "images":
        names = NumberedNames("plane {}", range(count))
        return Dataset(X=X, image_shape=(height, width), names=names, channels=colours, **common)
    spectra = np.asfortranarray(X.T)
    places = Places((height, width), "C")
    return Dataset(X=spectra, image_shape=(1, count), grid=(height, width), names=places, **common)


def layer_of_parts(
    dataset: Dataset, W: np.ndarray, H: np.ndarray, placed: Placement
) -> tuple[np.ndarray, dict[str, Any]]:
    """Values and attributes of a layer: a plane a part, its basis image, or its map where pixels are samples.

    Parameters
    ----------
    dataset : Dataset
    W : ndarray (m, r)
    H : ndarray (r, n)
    placed : Placement
        Of the layer from which `dataset` was made.

    Returns
    -------
    ndarray (r, height, width), or (r, height, width, 3) of images in colour
    dict
        Arguments of ``napari.layers.Image``. Its ``metadata`` hold the other factor: "coefficients" (r, planes), or
        "spectra" (r, bands).
    """
    if dataset.grid is None:
        values, kind, other = dataset.as_images(W), "basis images", {"coefficients": np.array(H)}
    else:
        values, kind, other = dataset.maps(H), "maps", {"spectra": np.array(W.T)}
    attributes: dict[str, Any] = {
        "name": f"{dataset.name}: {kind}",
        "scale": (1.0, *placed.scale),
        "translate": (0.0, *placed.translate),
        "units": ("pixel", *placed.units),
        "metadata": other,
        "rgb": dataset.channels == 3,
    }
    return np.array(values), attributes


def _type_for(dtype: np.dtype) -> type:
    """Keep float32, and what it holds exactly; all else becomes float64."""
    return np.float32 if np.can_cast(dtype, np.float32) else np.float64


def _axes_of(placed: Placement) -> tuple[Axis, ...]:
    axes = []
    for at, dimension in enumerate(("y", "x")):
        axis = Axis(dimension, scale=abs(placed.scale[at]), offset=placed.translate[at])
        axes.append(replace(axis, unit="" if placed.units[at] == "pixel" else _short(placed.units[at])))
    return tuple(axes)


def _short(unit: str) -> str:
    return {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm"}.get(unit, unit)[:24]
