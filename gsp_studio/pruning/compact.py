"""Smaller files of pruned networks: channels that do nothing are removed, and the outputs stay the same to rounding.

Chains of linear layers, the networks of `models` and ONNX graphs are followed; `channels` says what can go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.atomic import write_whole
from gsp_studio.pruning.chain import chain_order, keeps_order
from gsp_studio.pruning.channels import Compacted, Step, without_idle_channels
from gsp_studio.pruning.checkpoint import Checkpoint, CheckpointError
from gsp_studio.pruning.formats import FORMATS, onnx_file, safetensors_file
from gsp_studio.pruning.formats.onnx_channels import Channels
from gsp_studio.pruning.formats.stored_array import require_extra


@dataclass(frozen=True, eq=False)
class CompactNetwork:
    """A network without channels that do nothing, before it is written.

    Attributes
    ----------
    found : Compacted
    model : onnx.ModelProto or None
        The graph with these arrays, of an ONNX model.
    """

    found: Compacted
    model: Any = None

    @property
    def suffix(self) -> str:
        """Ending of its file."""
        return ".safetensors" if self.model is None else ".onnx"

    def save(self, path: Path) -> None:
        """Write it; raises as `save_compact`."""
        if self.model is None:
            save_compact(path, self.found.arrays)
        else:
            check_name(path, self.suffix)
            onnx_file.save(self.model, path)


def compact_network(
    checkpoint: Checkpoint,
    weights: Mapping[str, Array] | None = None,
    shape: tuple[int, int, int] | None = None,
) -> CompactNetwork:
    """Remove the channels of a network that do nothing.

    Parameters
    ----------
    checkpoint : Checkpoint
    weights : mapping of str to ndarray, optional
        New values of its layers and of other floating arrays, by name.
    shape : (channels, height, width), optional
        Of the images that it sees; by default those of its usual data. A network with linear layers behind
        convolutions fits one only.

    Raises
    ------
    CheckpointError
        A network that is not known, or a file that has changed since it was opened.
    """
    if checkpoint.format == "onnx":
        return _compact_graph(checkpoint, weights or {})
    arrays = arrays_of(checkpoint, weights)
    names = _chain_in(arrays)
    if names is not None:
        ends = {name: (arrays[name].shape[1], arrays[name].shape[0]) for name in names}
        order = chain_order(ends, keeps_order(checkpoint.format))
        if order is not None:
            return CompactNetwork(_compact_chain(arrays, order))
    from gsp_studio.pruning.accuracy import known_network
    from gsp_studio.pruning.traced import steps_of

    model = known_network(checkpoint, shape)
    if model is None and names is not None and _can_follow(arrays, names):
        raise CheckpointError(
            f"the order of the layers of {checkpoint.path} cannot be told from this file; accepted are linear layers "
            "of one name with rising numbers (fc1, fc2), files of PyTorch and NumPy whose layers "
            "fit in their order alone, and ONNX models"
        )
    if model is None:
        raise CheckpointError(
            f"{checkpoint.path} is none of the networks that are known by their names and shapes; channels are removed "
            "from these, from chains of linear layers with ReLU between them, and from ONNX models"
        )
    steps, inputs = steps_of(model[0])
    return CompactNetwork(without_idle_channels(steps, arrays, [inputs]))


def _compact_graph(checkpoint: Checkpoint, weights: Mapping[str, Array]) -> CompactNetwork:
    model = onnx_file.in_one_file(checkpoint.path)
    graph = Channels(model)
    keys = {layer.name: layer.key for layer in checkpoint.layers}
    before = graph.arrays | {keys.get(name, name): values for name, values in weights.items()}
    found = without_idle_channels(graph.steps, before, graph.inputs)
    graph.rewrite(found.arrays, found.narrowed)
    return CompactNetwork(found, model)


def arrays_of(checkpoint: Checkpoint, weights: Mapping[str, Array] | None = None) -> dict[str, Array]:
    """All floating arrays of a network's file by name, with new values where there are some.

    Raises
    ------
    CheckpointError
        A file that has changed since it was opened.
    """
    new = weights or {}
    stored = FORMATS[checkpoint.format].read(checkpoint.path)
    return {array.name: np.array(new.get(array.name, array.values)) for array in stored if array.values is not None}


def compacted(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays of a chain of linear layers with ReLU between them, without neurons that do nothing.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Weights (outputs, inputs) in the order of the network, called "....weight", and biases.

    Returns
    -------
    dict of str to ndarray
        The outputs of the network are the same to rounding. A layer can get a bias that it did not have.

    Raises
    ------
    CheckpointError
        Arrays of another network: `compact_network` takes files of those that are known.
    """
    names = _chain_in(arrays)
    if names is None or any(arrays[b].shape[1] != arrays[a].shape[0] for a, b in pairwise(names)):
        raise CheckpointError("neurons are removed from chains of linear layers with ReLU between them; this is none")
    return _compact_chain(dict(arrays), names).arrays


def _chain_in(arrays: Mapping[str, Array]) -> list[str] | None:
    """The weights of linear layers; None where there are other arrays than these and their biases."""
    names = [name for name in arrays if name.endswith("weight") and arrays[name].ndim == 2]
    return names if names and not set(arrays) - {*names, *map(_bias_of, names)} else None


def _can_follow(arrays: Mapping[str, Array], names: Sequence[str]) -> bool:
    """Whether each layer but one reads what another one gives."""
    inputs = Counter(arrays[name].shape[1] for name in names)
    return (inputs - Counter(arrays[name].shape[0] for name in names)).total() <= 1


def _bias_of(name: str) -> str:
    return f"{name.removesuffix('weight')}bias"


def _compact_chain(arrays: dict[str, Array], names: Sequence[str]) -> Compacted:
    steps: list[Step] = []
    for number, name in enumerate(names):
        bias = _bias_of(name)
        kind = {"bias": bias} if bias in arrays else {"new_bias": bias}
        steps.append(Step("weights", (f"x{number}",), f"y{number}", weight=name, **kind))  # type: ignore[arg-type]
        if number + 1 < len(names):
            steps.append(Step("map", (f"y{number}",), f"x{number + 1}", apply=lambda values: np.maximum(values, 0.0)))
    found = without_idle_channels(steps, arrays, ["x0"])
    order = [each for name in names for each in (name, _bias_of(name)) if each in found.arrays]
    return Compacted({name: found.arrays[name] for name in order}, found.removed, found.left)


def save_compact(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays by name as a safetensors file whose layers may be narrower than those of the network it is called.

    Raises
    ------
    CheckpointError
        The package safetensors is missing, or the name does not end in .safetensors.
    WriteError
    """
    check_name(path)
    from safetensors.numpy import save_file

    whole = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    metadata = {"format": safetensors_file.COMPACT}
    write_whole(path, lambda temporary: save_file(whole, temporary, metadata=metadata))


def check_name(path: Path, suffix: str = ".safetensors") -> None:
    """Check that a file can be written under a name.

    Raises
    ------
    CheckpointError
    """
    require_extra(suffix.removeprefix("."), path)
    if path.suffix != suffix:
        raise CheckpointError(f"{path} does not end in {suffix}, as this format asks")
    if not path.parent.is_dir():
        raise CheckpointError(f"the folder {path.parent} is not there")
