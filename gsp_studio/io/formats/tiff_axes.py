"""The order and the names of the images of a TIFF file, as OME, ImageJ, tifffile and MetaMorph headers announce them.

A header is believed as far as the pages bear it out: pages that the file lacks are reported, never made up, and
files that it names beside this one are never opened.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np

_WORDS = {"T": "time", "Z": "z", "C": "channel", "I": "image", "Q": "image", "P": "position", "R": "tile"}
_UIC2 = 33629
#: Planes that a header may announce.
_MOST = 1 << 20


@dataclass(frozen=True)
class Order:
    """Images of a file in order.

    Attributes
    ----------
    pages : tuple of (int, int)
        Of each the page, as its place among those given, and which of the images that follow each other in it.
    names : tuple of str, or None
        "time 3, channel 1"; None where there is no more than a number.
    notes : tuple of str
        Where the header and the file disagree, a sentence each.
    elsewhere : tuple of str
        Files beside this one that hold more of the images, by the names in the header.
    announced : int
        Images of the header, those elsewhere among them; 0 where no header says.
    axes : tuple of (str, int)
        Letters and lengths of the axes of the images, the slowest first, where all of them are there; else empty.
    """

    pages: tuple[tuple[int, int], ...]
    names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    announced: int = 0
    axes: tuple[tuple[str, int], ...] = ()


def order_of(file: Any, pages: list[int], held: int, name: str) -> Order:
    """The order of the images of a file.

    Parameters
    ----------
    file : tifffile.TiffFile
    pages : list of int
        Pages that are images, by their numbers in the file.
    held : int
        Images of the first page's size that lie one after another where its pixels begin; 1 unless they are plain.
    name : str
        Of the file, without its folder.

    Returns
    -------
    Order
    """
    plain = Order(tuple((k, 0) for k in range(len(pages))))
    page = file.pages.first
    try:
        if page.is_ome:
            return _ome(file.ome_metadata or "", pages, name) or plain
        if page.is_imagej:
            return _counted(_imagej(file.imagej_metadata or {}, page), len(pages), held, "ImageJ") or plain
        if page.is_shaped:
            is_virtual = json.loads(page.shaped_description).get("truncated") is True
            return _counted(_shaped(page), len(pages), held if is_virtual else 1, "tifffile") or plain
        if page.is_stk and _UIC2 in page.tags:
            return _counted([("Z", int(page.tags[_UIC2].count))], len(pages), held, "MetaMorph") or plain
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, ElementTree.ParseError):
        return Order(plain.pages, None, ("its header of axes cannot be read: the pages are taken as they follow",))
    return plain


def _names(axes: list[tuple[str, int]], places: list[int]) -> tuple[str, ...] | None:
    """Names of the images at these places of an array with these axes."""
    told = [(_WORDS.get(axis, axis), size) for axis, size in axes]
    if not any(size > 1 and word != "image" for word, size in told):
        return None
    shape = tuple(size for _, size in told)
    names = []
    for place in places:
        at = np.unravel_index(place, shape)
        names.append(", ".join(f"{word} {int(k) + 1}" for (word, size), k in zip(told, at, strict=True) if size > 1))
    return tuple(names)


def _counted(axes: list[tuple[str, int]], pages: int, held: int, header: str) -> Order | None:
    """Images by the sizes of their axes: a page each, or all after one another in the first page."""
    announced = math.prod(size for _, size in axes)
    if announced < 1:
        return None
    if announced == pages:
        named = _names(axes, list(range(pages)))
        return Order(tuple((k, 0) for k in range(pages)), named, announced=announced, axes=tuple(axes))
    if pages == 1 and held > 1:
        count = min(announced, held, _MOST)
        notes = () if count == announced else (f"its {header} header announces {announced} images, {count} are there",)
        whole = tuple(axes) if count == announced else ()
        return Order(tuple((0, k) for k in range(count)), _names(axes, list(range(count))), notes, (), announced, whole)
    note = f"its {header} header announces {announced} image{'s' if announced > 1 else ''}, and it has {pages} pages"
    return Order(tuple((k, 0) for k in range(pages)), None, (f"{note}: these are read, in their order",), (), announced)


def _imagej(meta: dict[str, Any], page: Any) -> list[tuple[str, int]]:
    sizes = {axis: int(meta.get(word, 1)) for axis, word in (("T", "frames"), ("Z", "slices"), ("C", "channels"))}
    if sizes["C"] == page.samplesperpixel:  # samples of a pixel, which are interpreted elsewhere
        sizes["C"] = 1
    order = str(meta.get("order", "czt")).upper()
    order = order if sorted(order) == ["C", "T", "Z"] else "CZT"
    total = math.prod(sizes.values())
    images = int(meta.get("images", total))
    if min(*sizes.values(), images) < 1:
        raise ValueError("counts below 1")
    if total == 1 and images > 1:
        return [("I", images)]
    return [(axis, sizes[axis]) for axis in reversed(order)]


def _shaped(page: Any) -> list[tuple[str, int]]:
    told = json.loads(page.shaped_description)
    shape = [int(size) for size in told["shape"]]
    axes = str(told.get("axes", ""))
    if page.size < 1 or math.prod(shape) % page.size:
        raise ValueError("another shape")
    count = math.prod(shape) // page.size
    if len(axes) != len(shape):
        return [("I", count)]
    sizes = [(axis, size) for axis, size in zip(axes, shape, strict=True) if axis not in "YXS"]
    return sizes if math.prod(size for _, size in sizes) == count else [("I", count)]


def _ome(text: str, pages: list[int], name: str) -> Order | None:
    root = ElementTree.fromstring(text)
    images = [pixels for image in _children(root, "Image") for pixels in _children(image, "Pixels")]
    own = _own_files(root, images, name)
    found: list[int | None] = []
    names: list[str] = []
    elsewhere: dict[str, None] = {}
    is_named = True
    for pixels in images:
        axes = "".join(reversed(pixels.attrib["DimensionOrder"]))[:-2]
        samples = max([int(c.attrib.get("SamplesPerPixel", 1)) for c in _children(pixels, "Channel")] or [1])
        sizes = [int(pixels.attrib["Size" + axis]) for axis in axes]
        if samples > 1:
            sizes = [size // samples if axis == "C" else size for axis, size in zip(axes, sizes, strict=True)]
        count = math.prod(sizes)
        if not 1 <= count <= _MOST:
            raise ValueError("impossible sizes")
        places = _children(pixels, "TiffData")
        # Without a word on where planes are, they follow each other from the first page on.
        planes: list[int | None] = [None if places else k for k in range(count)]
        for data in places:
            first = int(data.attrib.get("IFD", 0))
            told = data.attrib.get("PlaneCount", data.attrib.get("NumPlanes", "1" if "IFD" in data.attrib else "0"))
            at = [int(data.attrib.get("First" + axis, 0)) for axis in axes]
            start = int(np.ravel_multi_index(at, sizes))
            here = int(told) or len(pages)
            file = next((one for one in _children(data, "UUID")), None)
            is_own = file is None or _identity(file) in own
            if not is_own and file is not None:
                elsewhere[file.attrib.get("FileName", file.text or "")] = None
            for k in range(min(here, count - start)):
                if is_own:
                    planes[start + k] = first + k
        told_names = _names(list(zip(axes, sizes, strict=True)), list(range(count)))
        is_named &= told_names is not None
        names += told_names or [""] * count
        found += planes
    if not found:
        return None
    at_page = {number: k for k, number in enumerate(pages)}
    there = [(at_page[page], k) for k, page in enumerate(found) if page is not None and page in at_page]
    used = {page for page, _ in there}
    if elsewhere:
        return Order(tuple((k, 0) for k in range(len(pages))), None, (), tuple(elsewhere), len(found))
    if len(used) < len(pages):
        note = f"its OME header names {len(used)} of its {len(pages)} pages: all are read, in their order"
        return Order(tuple((k, 0) for k in range(len(pages))), None, (note,), (), len(found))
    lacking = len(found) - len(there)
    notes = (f"{lacking} of the {len(found)} planes that its OME header announces are missing",) if lacking else ()
    chosen = tuple(names[k] for _, k in there) if is_named and len(images) == 1 else None
    whole = tuple(zip(axes, sizes, strict=True)) if len(images) == 1 and not lacking else ()
    return Order(tuple((page, 0) for page, _ in there), chosen, notes, (), len(found), whole)


def _children(element: Any, tag: str) -> list[Any]:
    return [child for child in element if str(child.tag).rpartition("}")[2] == tag]


def _identity(uuid: Any) -> tuple[str, str]:
    return (uuid.text or "").strip(), uuid.attrib.get("FileName", "")


def _own_files(root: Any, images: list[Any], name: str) -> set[tuple[str, str]]:
    """The files among those that a header names that are this one: by its identity, or by its name."""
    named = {
        _identity(uuid)
        for pixels in images
        for data in _children(pixels, "TiffData")
        for uuid in _children(data, "UUID")
    }
    identity = root.attrib.get("UUID")
    own = {one for one in named if identity and one[0] == identity}
    own |= {one for one in named if not identity and one[1].lower() == name.lower()}
    # One file that was renamed is still all of the set.
    return own or (named if len(named) == 1 else set())
