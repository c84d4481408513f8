"""Attributes of HDF5 objects, of bounded length: real numbers and texts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from gsp_studio.arrays import Array

#: Bytes of the text of an attribute.
_LONGEST = 1 << 12


def numbers(holder: Any, name: str, most: int) -> Array | None:
    """An attribute of at most so many real numbers, as a vector of their type; None where it is something else."""
    if name not in holder.attrs:
        return None
    held = holder.attrs.get_id(name)
    if held.get_type().get_class() not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT):  # HDF5 trusts what an enumeration says
        return None
    if held.shape is None or math.prod(held.shape) > most or held.dtype.kind not in "iuf":
        return None
    return np.ravel(np.asarray(holder.attrs[name]))


def text(holder: Any, name: str) -> str:
    """An attribute of one text; "" where it is something else."""
    found = texts(holder, name)
    return found[0] if len(found) == 1 else ""


def texts(holder: Any, name: str) -> list[str]:
    """An attribute of a few texts; none where it is something else."""
    if name not in holder.attrs:
        return []
    held = holder.attrs.get_id(name)
    if held.shape is None or math.prod(held.shape) > 32 or held.get_storage_size() > _LONGEST:
        return []
    return [one for one in _decoded(holder.attrs[name]) if len(one) <= _LONGEST]


def _decoded(value: Any) -> Iterator[str]:
    for one in np.ravel(np.asarray(value, object)).tolist():
        if isinstance(one, bytes):
            yield one.decode("utf-8", "replace").strip("\0 ")
        elif isinstance(one, str):
            yield one.strip("\0 ")
