"""Options of an export; light, as the window imports them first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ExportOptions:
    """Parts of an export; run.json and repeat.py are always among them.

    Attributes
    ----------
    basis, montage, factors, history : bool
    scale : "tile" | "shared"
        White in the figures is each basis image's own maximum, or the largest of all.
    zoom : int, optional
        Pixels that one pixel becomes in each direction, without interpolation; by default so many that the shorter side
        of a basis image has 128 at least.
    extras : tuple of str
        Names in `formats.EXTRAS`: other formats, residuals, animations, a report.
    order : tuple of int, optional
        Basis images of the montage, in this order; by default by their numbers.
    palette : bytes
        Red, green and blue of 256 levels, which greys of the basis images become; b"" leaves them grey.
    coefficients : "npy" | "zarr", optional
        H in a file of its own, H.npy or H.zarr.zip, written block by block; by default in factors.npz, and in H.npy
        where it stays on a cluster.
    normalize : str
        A key of `core.unit_spectra.UNITS`: how basis images and coefficients are scaled in those of `extras` that hold
        factors for other programs, and in pictures of spectra and maps. factors.npz has them as they were computed.
    """

    basis: bool = True
    montage: bool = True
    factors: bool = True
    history: bool = True
    scale: Literal["tile", "shared"] = "tile"
    zoom: int | None = None
    extras: tuple[str, ...] = ()
    order: tuple[int, ...] | None = None
    palette: bytes = b""
    coefficients: Literal["npy", "zarr"] | None = None
    normalize: str = "none"
