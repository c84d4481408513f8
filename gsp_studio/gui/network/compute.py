"""Work of the Networks view's workers: opening, sorting, projecting, curves, accuracy, saving.

Imported by a worker when a network is first opened: the projection needs numba, and PyTorch is imported further below,
by what needs it, never on the thread of the window.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.cpu.pool import set_threads
from gsp_studio.gui.network.state import DisplayedNetwork, NetworkSettings, NetworkSizes
from gsp_studio.pruning.checkpoint import Checkpoint, check_target, open_checkpoint, save_checkpoint
from gsp_studio.pruning.grouping import Grouping
from gsp_studio.pruning.layers import average_sparsity
from gsp_studio.pruning.methods import prune_layers
from gsp_studio.pruning.path import NetworkPath
from gsp_studio.pruning.projection import project_checkpoint
from gsp_studio.pruning.report import check_report, describe, write_report
from gsp_studio.pruning.sizes import file_sizes, gzipped_bytes, is_chain, places_of, sizes_of
from gsp_studio.pruning.threshold_path import ThresholdPath

if TYPE_CHECKING:
    from gsp_studio.gui.network.evaluation import EvaluationImages
    from gsp_studio.pruning.layers import Layer

_CURVE_POINTS, _CURVE_POINTS_OF_LARGE, _LARGE = 65, 17, 8_000_000
_ACCURACY_POINTS = 17
#: How many points `accuracies` has.
PLANNED = _ACCURACY_POINTS + 1
#: Up to here accuracies are measured: beyond, hardly a weight is left.
_LAST = 0.98
#: Weights up to which the layers are compressed to see how small they get.
_PACKED = 16_000_000

__all__ = [
    "PLANNED",
    "LayerPath",
    "accuracies",
    "alone",
    "curve",
    "open_checkpoint",
    "places_known",
    "preview",
    "save",
    "show",
    "show_now",
    "sizes",
    "sorted_path",
]


LayerPath = NetworkPath | ThresholdPath


def sorted_path(checkpoint: Checkpoint, choice: NetworkSettings) -> LayerPath:
    """The layers of a network sorted, grouped as was chosen; targets of layers' own come later, with the slider."""
    grouping = Grouping(choice.scope, exclude=choice.exclude, values=choice.values)
    if choice.is_by_zeros:
        return ThresholdPath(checkpoint.layers, choice.method, grouping)
    return NetworkPath(checkpoint.layers, grouping)


def alone(layer: Layer, choice: NetworkSettings) -> NetworkPath:
    """A layer sorted for itself, for previews of it."""
    return NetworkPath((layer,), Grouping(values=choice.values))


def show(checkpoint: Checkpoint, path: LayerPath, choice: NetworkSettings) -> DisplayedNetwork:
    """All layers at their targets."""
    if choice.mode == "own":
        weights: dict[str, Array] = {}
        found: dict[str, float] = {}
        for name in path.names:
            weights.update(path.project(choice.target_of(name), only=(name,)))
        for target in {choice.target_of(name) for name in path.names}:
            at = path.sparsities(target)
            found.update({name: at[name] for name in path.names if choice.target_of(name) == target})
    else:
        weights, found = path.at(choice.sparsity)
    zeros = {name: _zeros(values) for name, values in weights.items()}
    return _assemble(checkpoint, choice, weights, found, zeros)


@contextlib.contextmanager
def _in_an_event() -> Iterator[None]:
    """One thread for what a frame waits for: it is there as soon, and no other thread has to get its turn first."""
    before = set_threads(1)
    try:
        yield
    finally:
        set_threads(before)


def show_now(checkpoint: Checkpoint, path: LayerPath, choice: NetworkSettings) -> DisplayedNetwork:
    """As `show`, in the event that asks."""
    with _in_an_event():
        return show(checkpoint, path, choice)


def preview(
    checkpoint: Checkpoint,
    choice: NetworkSettings,
    before: DisplayedNetwork,
    path: LayerPath,
    layer: str,
    share: float | None,
) -> DisplayedNetwork:
    """The selected layer at its target, in the event that asks; the others as they were before.

    Parameters
    ----------
    share : float or None
        The layer's share of the group's sparsity, where it is in one with others: projected alone to that it comes out
        as it does in the group, as both have one multiplier; then `path` is of this layer alone.
    """
    target = choice.target_of(layer) if share is None else share
    with _in_an_event():
        weights = path.project(target, only=(layer,))
    names = [each.name for each in checkpoint.layers]
    found = dict(zip(names, before.sparsities.tolist(), strict=True))
    zeros = dict(zip(names, before.zeros.tolist(), strict=True))
    own = checkpoint[layer]
    found[layer] = average_sparsity(own, weights[layer]) if choice.is_by_zeros else max(target, own.sparsity)
    zeros[layer] = _zeros(weights[layer])
    pruned = {name for name, is_pruned in zip(names, before.is_pruned, strict=True) if is_pruned}
    return _assemble(checkpoint, choice, weights, found, zeros, pruned)


def _zeros(values: Array) -> float:
    return 1.0 - int(np.count_nonzero(values)) / values.size


def _assemble(
    checkpoint: Checkpoint,
    choice: NetworkSettings,
    weights: dict[str, Array],
    found: dict[str, float],
    zeros: dict[str, float],
    pruned: set[str] | None = None,
) -> DisplayedNetwork:
    layers = checkpoint.layers
    sparsities = np.array([found.get(layer.name, layer.sparsity) for layer in layers])
    shares = np.array([zeros.get(layer.name, layer.zeros) for layer in layers])
    is_pruned = np.array([layer.name in (weights if pruned is None else pruned) for layer in layers])
    counts = np.array([layer.shape[layer.output_axis] for layer in layers]) * is_pruned
    sizes = np.array([layer.size for layer in layers]) * is_pruned
    return DisplayedNetwork(
        choice=choice,
        weights=weights,
        sparsities=sparsities,
        zeros=shares,
        is_pruned=is_pruned,
        sparsity=float(np.average(sparsities[is_pruned], weights=counts[is_pruned])),
        total=float(np.average(shares[is_pruned], weights=sizes[is_pruned])),
        is_preview=pruned is not None,
    )


def _coarse_first(targets: Array) -> list[float]:
    """The two ends, then what lies in the middle of what is known: a curve is seen before it is whole."""
    order, seen = [0, len(targets) - 1], {0, len(targets) - 1}
    step = 1 << (len(targets) - 1).bit_length()
    while step > 1:
        step //= 2
        for k in range(0, len(targets), step):
            if k not in seen:
                seen.add(k)
                order.append(k)
    return [float(targets[k]) for k in order]


def curve(
    checkpoint: Checkpoint, path: LayerPath, choice: NetworkSettings
) -> Iterator[tuple[float, Array, Array, float]]:
    """Target, sparsities and zeros of the layers and zeros of all that take part, in an order that refines itself."""
    points = _CURVE_POINTS if path.size <= _LARGE else _CURVE_POINTS_OF_LARGE
    for s in _coarse_first(np.linspace(0.0, 1.0, points)):
        shown = show(checkpoint, path, NetworkSettings(s, method=choice.method))
        yield s, shown.sparsities, shown.zeros, shown.total


def accuracies(
    checkpoint: Checkpoint,
    path: LayerPath,
    choice: NetworkSettings,
    layer: str,
    images: EvaluationImages,
    unwanted: Callable[[], bool],
) -> Iterator[tuple[float, float]]:
    """(target, accuracy) point by point, the network as it is first, with NaN as its target; ends when unwanted.

    In the mode "own" it is the selected layer's target that varies.

    Raises
    ------
    ValueError, OSError
        Images or a network that cannot be evaluated.
    """
    from gsp_studio.pruning.accuracy import Evaluator

    labelled, normalization = images.prepare(checkpoint, unwanted)
    if unwanted():
        return
    evaluator = Evaluator(checkpoint, labelled, normalization)
    if images.dense is None:
        found = evaluator.accuracy(None, unwanted)
        if unwanted():
            return
        images.dense = found
    yield float("nan"), images.dense
    start = min(path.start, _LAST / 2)
    for s in _coarse_first(np.linspace(start, _LAST, _ACCURACY_POINTS)):
        if unwanted():
            return
        weights = show(checkpoint, path, choice.at(layer, s)).weights
        found = evaluator.accuracy(weights, unwanted)
        if unwanted():  # of some of the images only
            return
        yield s, found


def places_known(checkpoint: Checkpoint) -> dict[str, int] | None:
    """How often each weight is used for an image; None where PyTorch would have to be imported for that alone."""
    is_plain = checkpoint.format == "onnx" or is_chain(checkpoint)
    return places_of(checkpoint) if is_plain or "torch" in sys.modules else None


def sizes(checkpoint: Checkpoint, shown: DisplayedNetwork, places: dict[str, int] | None) -> NetworkSizes:
    """Sizes of a network as it is shown."""
    found = sizes_of(checkpoint.layers, shown.weights, places)
    packed = gzipped_bytes(checkpoint.layers, shown.weights) if checkpoint.size <= _PACKED else None
    return NetworkSizes(**found.described(), gzipped=packed)


def save(checkpoint: Checkpoint, choice: NetworkSettings, names: Sequence[str], out: Path) -> list[Path]:
    """Write the pruned network and pruning.json, as ``gsp-studio prune`` does; the files.

    Raises
    ------
    ValueError, OSError
    """
    own = tuple((name, choice.target_of(name)) for name in names) if choice.mode == "own" else ()
    grouping = Grouping(choice.scope, own=own, exclude=choice.exclude, values=choice.values)
    check_target(checkpoint, out)
    check_report(out.parent)
    if choice.is_by_zeros:
        pruned = prune_layers(choice.method, checkpoint.layers, choice.sparsity, grouping)
    else:
        pruned = project_checkpoint(checkpoint, choice.sparsity, grouping)
    save_checkpoint(checkpoint, out, pruned.weights)
    whole, packed = file_sizes(out)
    more = {
        "method": choice.method,
        "sizes": sizes_of(checkpoint.layers, pruned.weights, places_known(checkpoint)).described(),
        "files": {out.name: {"bytes": whole, "gzipped": packed}},
    }
    asked = {"to_zeros" if choice.is_by_zeros else "sparsity": choice.sparsity}
    described = describe(checkpoint, pruned, grouping, asked, more)
    return [out, write_report(out.parent, out.name, described)]
