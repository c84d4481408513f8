"""Gains of pruning: non-zero weights, bytes as they lie, compressed and as sparse rows, operations, emptied filters.

Multiply-adds are of one image: a convolution's weights are used once for each place of its output, which only a known
network or a graph tells. Effective ones count non-zero weights alone; no usual library runs sparse
convolutions that fast, so they are a bound, not a time.
"""

from __future__ import annotations

import gzip
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.pruning.chain import is_one_chain, keeps_order
from gsp_studio.pruning.checkpoint import Checkpoint
from gsp_studio.pruning.layers import Layer

Array = npt.NDArray[Any]

_INDEX_BYTES = {True: 2, False: 4}
_SMALL = 2**16
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Sizes:
    """Sizes of a network's layers with some weights.

    Attributes
    ----------
    parameters, nonzeros : int
        In the layers that can be pruned.
    bytes : int
        Of these layers as their file stores them.
    csr_bytes : int
        The same as compressed sparse rows: values, column numbers of 2 or 4 bytes, and a row's start of 4.
    emptied, single : int
        Filters or rows without a weight, and with a single one.
    filters : int
        All of them.
    macs, effective_macs : int or None
        Multiply-adds for one image, with all weights and with non-zero ones; None where places are not known.
    """

    parameters: int
    nonzeros: int
    bytes: int
    csr_bytes: int
    emptied: int
    single: int
    filters: int
    macs: int | None
    effective_macs: int | None

    def described(self) -> dict[str, Any]:
        """Entries of a report."""
        return asdict(self)


def sizes_of(
    layers: Sequence[Layer], weights: Mapping[str, Array] | None = None, places: Mapping[str, int] | None = None
) -> Sizes:
    """Sizes of some layers.

    Parameters
    ----------
    layers : sequence of Layer
    weights : mapping of str to ndarray, optional
        New weights by name; layers that are not named count as they are.
    places : mapping of str to int, optional
        For each layer how often its weights are used for an image, of `places_of`.
    """
    new = weights or {}
    totals = Counter[str]()
    for layer in layers:
        values = new.get(layer.name, layer.weights)
        rows = layer.rows(values)
        counts = np.count_nonzero(rows, axis=1)
        nonzeros, uses = int(counts.sum()), 0 if places is None else places.get(layer.name, 1)
        width = 2 if layer.dtype in ("float16", "bfloat16") else values.dtype.itemsize
        totals["parameters"] += layer.size
        totals["nonzeros"] += nonzeros
        totals["bytes"] += width * layer.size
        totals["csr_bytes"] += nonzeros * (width + _INDEX_BYTES[rows.shape[1] <= _SMALL]) + 4 * (len(rows) + 1)
        totals["emptied"] += int(np.count_nonzero(counts == 0))
        totals["single"] += int(np.count_nonzero(counts == 1))
        totals["filters"] += len(rows)
        totals["macs"] += layer.size * uses
        totals["effective_macs"] += nonzeros * uses
    found: dict[str, Any] = {field.name: totals[field.name] for field in fields(Sizes)}
    if places is None:
        found |= {"macs": None, "effective_macs": None}
    return Sizes(**found)


def places_of(checkpoint: Checkpoint, shape: tuple[int, int, int] | None = None) -> dict[str, int] | None:
    """How often each layer's weights are used for an image: the places of a convolution's output, 1 for linear layers.

    Parameters
    ----------
    checkpoint : Checkpoint
    shape : (channels, height, width), optional
        Of an image; by default what the graph of an ONNX model declares, or that of a known network's usual data.

    Returns
    -------
    dict of str to int, or None
        None for a graph that leaves it open, and for a network that neither is known nor a chain of linear layers.
    """
    if checkpoint.format == "onnx":
        from gsp_studio.pruning.onnx_places import graph_places

        return graph_places(checkpoint, shape)
    if is_chain(checkpoint):
        return {layer.name: 1 for layer in checkpoint.layers}
    try:
        import torch

        from gsp_studio.pruning.accuracy import known_network
    except ImportError:
        return None
    known = known_network(checkpoint, shape)
    if known is None:
        return None
    model, side = known
    found: dict[str, int] = {}
    for name, module in model.named_modules():
        if isinstance(module, (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)):
            module.register_forward_hook(_place_counter(f"{name}.weight", found))
    with torch.inference_mode():
        model(torch.zeros(1, *side))
    return found


def is_chain(checkpoint: Checkpoint) -> bool:
    """Whether all layers are linear and each reads the one before, in an order that can be told.

    Then each is used once for an image. Attention has layers that fit one another too, and uses them for every token.
    """
    if any(layer.kind != "linear" or layer.group_axis is not None for layer in checkpoint.layers):
        return False
    has_tables = any(len(array.shape) > 1 for array in checkpoint.left_alone)
    ends = {layer.name: (layer.shape[layer.input_axis], layer.shape[layer.output_axis]) for layer in checkpoint.layers}
    return not has_tables and is_one_chain(ends, keeps_order(checkpoint.format))


def _place_counter(name: str, found: dict[str, int]) -> Any:
    def count(module: Any, inputs: Any, output: Any) -> None:
        found[name] = found.get(name, 0) + int(np.prod(output.shape[2:]))

    return count


def gzipped_bytes(layers: Sequence[Layer], weights: Mapping[str, Array]) -> int:
    """Bytes of some layers with new weights, as their file stores them, compressed by gzip at its usual level."""
    counter = _Counter()
    with gzip.GzipFile(fileobj=counter, mode="wb", compresslevel=6, mtime=0) as packed:
        for layer in layers:
            values = np.ascontiguousarray(weights.get(layer.name, layer.weights))
            if layer.dtype == "bfloat16":
                halves = values.astype(np.float32).view(np.uint16)[..., 1::2] if sys.byteorder == "little" else values
                values = np.ascontiguousarray(halves)
            elif layer.dtype == "float16":
                values = values.astype(np.float16)
            flat = values.reshape(-1)
            for first in range(0, len(flat), _CHUNK):
                packed.write(flat[first : first + _CHUNK].tobytes())
    return counter.count


class _Counter:
    """A file that counts the bytes that are written to it."""

    def __init__(self) -> None:
        self.count = 0

    def write(self, part: bytes) -> int:
        self.count += len(part)
        return len(part)

    def flush(self) -> None:
        pass


def file_sizes(path: Path) -> tuple[int, int]:
    """Bytes of a file, and compressed by gzip at its usual level."""
    counter = _Counter()
    with path.open("rb") as file, gzip.GzipFile(fileobj=counter, mode="wb", compresslevel=6, mtime=0) as packed:
        while part := file.read(_CHUNK):
            packed.write(part)
    return path.stat().st_size, counter.count


def told(sizes: Sizes, files: tuple[int, int] | None = None) -> list[str]:
    """Lines for a reader."""
    lines = [
        f"{sizes.nonzeros:,} of {sizes.parameters:,} weights are not zero; {sizes.emptied:,} of {sizes.filters:,} "
        f"filters or rows are empty, {sizes.single:,} have a single weight"
    ]
    text = f"layers: {_kilo(sizes.bytes)} dense, {_kilo(sizes.csr_bytes)} as sparse rows"
    if files is not None:
        text += f"; file: {_kilo(files[0])}, {_kilo(files[1])} gzipped"
    lines.append(text)
    if sizes.macs is not None and sizes.effective_macs is not None:
        lines.append(
            f"multiply-adds for an image: {sizes.macs:,}, {sizes.effective_macs:,} by weights that are not zero"
        )
    return lines


def _kilo(count: int) -> str:
    return f"{count / 1000:,.1f} kB"
