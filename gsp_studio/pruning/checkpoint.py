"""A trained network as a file: its layers, opened without running anything, and the same file with new weights.

Everything that an open file shows is immutable; pruned weights are arrays beside it, written by `save_checkpoint`
in the same format under the same keys.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.atomic import write_whole
from gsp_studio.pruning.chain import keeps_order, outer_layers
from gsp_studio.pruning.formats import ACCEPTED, FORMATS, format_of
from gsp_studio.pruning.formats.array_names import TOOLS, reason_by_tool
from gsp_studio.pruning.formats.stored_array import CheckpointError, StoredArray
from gsp_studio.pruning.layers import Layer, LeftAlone, layer_of, reason_against

__all__ = ["ACCEPTED", "Checkpoint", "CheckpointError", "open_checkpoint", "save_checkpoint"]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A network in a file.

    Attributes
    ----------
    path : Path
    format : str
        A name in `FORMATS`: "safetensors", "torch", "npz" or "onnx".
    layers : tuple of Layer
        What can be pruned: in the order of the network where the file has its graph, else in that of the file.
    left_alone : tuple of LeftAlone
        What cannot, and why.
    """

    path: Path
    format: str
    layers: tuple[Layer, ...]
    left_alone: tuple[LeftAlone, ...]

    def __getitem__(self, name: str) -> Layer:
        """The layer of that name."""
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(list(self._by_name)[:6]) + (", ..." if len(self._by_name) > 6 else "")
            raise CheckpointError(f'{self.path} has no layer "{name}"; its layers are {known}') from None

    @property
    def size(self) -> int:
        """Weights in all layers."""
        return sum(layer.size for layer in self.layers)

    @property
    def sparsity(self) -> float:
        """Average Hoyer sparsity of all filters and rows."""
        counts = [layer.shape[layer.output_axis] for layer in self.layers]
        return float(np.average([layer.sparsity for layer in self.layers], weights=counts))

    @property
    def zeros(self) -> float:
        """Fraction of the layers' weights that are zero."""
        return sum(layer.zeros * layer.size for layer in self.layers) / self.size

    @cached_property
    def _by_name(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in self.layers}


def open_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Open a file of a network. Nothing in it is run.

    Parameters
    ----------
    path : path-like
        A file of `ACCEPTED`; its content decides, not its name.

    Returns
    -------
    Checkpoint

    Raises
    ------
    CheckpointError
        A file that is damaged, declares what it does not hold, asks for code, or has no layer; or a package of the
        extra `pruning` that it needs is missing.
    OSError
        No such file, no permission.
    """
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder; accepted are files: {ACCEPTED}")
    kind = format_of(path)
    try:
        stored = FORMATS[kind].read(path)
    except OSError as error:
        if error.filename is not None:
            raise
        raise CheckpointError(f"{path} is damaged, or cannot be read ({error})") from error  # such as a place before 0
    except (CheckpointError, MemoryError):
        raise
    except ValueError as error:  # the readers of data sets have sentences of their own
        raise CheckpointError(str(error)) from error
    layers, others = [], []
    names = {array.name for array in stored}
    for array in stored:
        layer, reason = _judge(array, names)
        if layer is None:
            others.append(LeftAlone(array.name, array.shape, array.dtype, reason))
        else:
            layers.append(replace(layer, is_first=array.is_first, is_last=array.is_last))
    if not layers:
        causes = [array for array in others if TOOLS in array.reason]
        causes = causes or [array for array in others[:3] if array.reason.startswith("a")]
        told = "; ".join(f"{array.name} is {array.reason}" for array in causes[:3])
        raise CheckpointError(
            f"{path} has no layer to prune: no floating array of two to five axes that is a weight"
            + (f" ({told})" if told else "")
        )
    first, last = outer_layers(layers, kind == "onnx" or keeps_order(kind))
    if not any(array.is_first for array in stored):
        layers = [replace(layer, is_first=None if first is None else layer.name == first) for layer in layers]
    if not any(array.is_last for array in stored):
        layers = [replace(layer, is_last=None if last is None else layer.name == last) for layer in layers]
    return Checkpoint(path, kind, tuple(layers), tuple(others))


def _judge(array: StoredArray, names: Collection[str]) -> tuple[Layer | None, str]:
    reason = array.reason or reason_by_tool(array.name, names)
    reason = reason or reason_against(array.name, array.shape, array.values is not None)
    if reason or array.values is None:
        return None, reason
    return layer_of(array.name, array.values, array.key, array.dtype, array.output_axis), ""


def save_checkpoint(
    checkpoint: Checkpoint,
    path: str | os.PathLike[str],
    weights: Mapping[str, Array],
    others: Mapping[str, Array] | None = None,
) -> None:
    """Write the file of a network with other weights: the same format, keys, types and everything else.

    Parameters
    ----------
    checkpoint : Checkpoint
    path : path-like
        Another file than the checkpoint's; its folder has to be there.
    weights : mapping of str to ndarray
        By the names of layers, of their shapes; layers that are not named stay as they are.
    others : mapping of str to ndarray, optional
        New values of floating arrays that are no layers, by name: statistics of batch norms.

    Raises
    ------
    CheckpointError
        The file itself, an ending of another format, weights that do not fit or are not finite, or a source that has
        changed.
    WriteError
        No room, no permission; the former file is still there.
    """
    path = Path(path)
    check_target(checkpoint, path)
    values = {}
    for name, new in weights.items():
        layer = checkpoint[name]
        if new.shape != layer.shape:
            raise CheckpointError(
                f"the weights of {name} are {new.shape}; accepted are those of the layer, {layer.shape}"
            )
        if not math.isfinite(float(np.sum(new, dtype=np.float64))):
            raise CheckpointError(f"the weights of {name} hold NaN or infinite values")
        values[layer.key] = new
    if others:
        stored = FORMATS[checkpoint.format].read(checkpoint.path)
        keys = {array.name: array.key for array in stored if array.values is not None}
        for name, new in others.items():
            if name not in keys:
                raise CheckpointError(f'{checkpoint.path} has no floating array "{name}"')
            values[keys[name]] = new
    write = FORMATS[checkpoint.format].write
    write_whole(path, lambda temporary: write(checkpoint.path, temporary, values, path.name))


def check_target(checkpoint: Checkpoint, path: Path) -> None:
    """Check that a checkpoint can be written under a name; writes nothing.

    Raises
    ------
    CheckpointError
    """
    own = FORMATS[checkpoint.format].suffixes
    if path.suffix.lower() not in own and path.suffix.lower() != checkpoint.path.suffix.lower():
        raise CheckpointError(f"{path} does not end in {own[0]}, as the format of {checkpoint.path.name} asks")
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder; accepted is the name of a file")
    if not path.parent.is_dir():
        raise CheckpointError(f"the folder {path.parent} is not there")
    if path.exists() and path.samefile(checkpoint.path):
        raise CheckpointError(f"{path} is the network itself; choose another name")
