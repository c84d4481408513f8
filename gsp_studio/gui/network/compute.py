"""Work of the Networks view's workers: opening, sorting, projecting, curves, accuracy, saving.

Imported by a worker when a network is first opened: the projection needs numba, and PyTorch is imported further below,
by what needs it, never on the thread of the window.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.cpu.pool import set_threads
from gsp_studio.gui.network.state import DisplayedNetwork, NetworkSettings
from gsp_studio.io.dataset import Dataset, LoadOptions
from gsp_studio.io.readers import load_dataset
from gsp_studio.pruning.checkpoint import Checkpoint, check_target, open_checkpoint, save_checkpoint
from gsp_studio.pruning.grouping import Grouping
from gsp_studio.pruning.path import NetworkPath
from gsp_studio.pruning.projection import project_checkpoint
from gsp_studio.pruning.report import check_report, describe, write_report

if TYPE_CHECKING:
    from gsp_studio.pruning.accuracy import Normalization
    from gsp_studio.pruning.images import LabelledImages
    from gsp_studio.pruning.layers import Layer

Source = Path | Dataset | str

#: The word for scikit-learn's digits among sources of images.
DIGITS = "digits"
_CURVE_POINTS, _CURVE_POINTS_OF_LARGE, _LARGE = 65, 17, 8_000_000
_ACCURACY_POINTS = 17
#: How many points `accuracies` has.
PLANNED = _ACCURACY_POINTS + 1
#: Up to here accuracies are measured: beyond, hardly a weight is left.
_LAST = 0.98
#: Images that a normalization is chosen with.
_TRIED = 250

__all__ = [
    "DIGITS",
    "PLANNED",
    "Source",
    "accuracies",
    "alone",
    "curve",
    "open_checkpoint",
    "preview",
    "save",
    "show",
    "show_now",
    "sorted_path",
]


def sorted_path(checkpoint: Checkpoint, choice: NetworkSettings) -> NetworkPath:
    """The layers of a network sorted, grouped as was chosen; targets of layers' own come later, with the slider."""
    return NetworkPath(checkpoint.layers, Grouping(choice.scope, exclude=choice.exclude))


def alone(layer: Layer) -> NetworkPath:
    """A layer sorted for itself, for previews of it."""
    return NetworkPath((layer,))


def show(checkpoint: Checkpoint, path: NetworkPath, choice: NetworkSettings) -> DisplayedNetwork:
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


def show_now(checkpoint: Checkpoint, path: NetworkPath, choice: NetworkSettings) -> DisplayedNetwork:
    """As `show`, in the event that asks."""
    with _in_an_event():
        return show(checkpoint, path, choice)


def preview(
    checkpoint: Checkpoint,
    choice: NetworkSettings,
    before: DisplayedNetwork,
    path: NetworkPath,
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
    found[layer] = max(target, checkpoint[layer].sparsity)
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


def curve(checkpoint: Checkpoint, path: NetworkPath) -> Iterator[tuple[float, Array, Array, float]]:
    """Target, sparsities and zeros of the layers and zeros of all that take part, in an order that refines itself."""
    points = _CURVE_POINTS if path.size <= _LARGE else _CURVE_POINTS_OF_LARGE
    for s in _coarse_first(np.linspace(0.0, 1.0, points)):
        shown = show(checkpoint, path, NetworkSettings(s))
        yield s, shown.sparsities, shown.zeros, shown.total


def accuracies(
    checkpoint: Checkpoint,
    path: NetworkPath,
    choice: NetworkSettings,
    layer: str,
    source: Source,
    unwanted: Callable[[], bool],
    tell: Callable[[str], None] = lambda words: None,
) -> Iterator[tuple[float, float]]:
    """(target, accuracy) point by point, the network as it is first, with NaN as its target; ends when unwanted.

    In the mode "own" it is the selected layer's target that varies. How the images were normalized in training is not
    in the file: of the common ways the one that suits the network best is taken, and told.

    Raises
    ------
    ValueError, OSError
        Images or a network that cannot be evaluated.
    """
    from gsp_studio.pruning.accuracy import Evaluator
    from gsp_studio.pruning.images import JPEG_CAUTION, is_jpeg

    images = _label_columns(source, checkpoint)
    words, normalization = _best_normalization(checkpoint, images, unwanted)
    tell(f"{words}; {JPEG_CAUTION}" if isinstance(source, Path) and is_jpeg(source) else words)
    evaluator = Evaluator(checkpoint, images, normalization)
    yield float("nan"), evaluator.accuracy(None, unwanted)
    start = min(path.start, _LAST / 2)
    for s in _coarse_first(np.linspace(start, _LAST, _ACCURACY_POINTS)):
        if unwanted():
            return
        weights = show(checkpoint, path, choice.at(layer, s)).weights
        found = evaluator.accuracy(weights, unwanted)
        if unwanted():  # of some of the images only
            return
        yield s, found


def _best_normalization(
    checkpoint: Checkpoint, images: LabelledImages, unwanted: Callable[[], bool]
) -> tuple[str, Normalization]:
    """The way to normalize images that the network classifies most of a few of them right with."""
    from gsp_studio.pruning.accuracy import Evaluator
    from gsp_studio.pruning.images import IMAGENET

    few = images.part(np.random.default_rng(0).permutation(len(images.labels))[:_TRIED])
    channels = images.shape[0]
    means = images.images.mean((0, 2, 3), dtype=np.float64)
    deviations = np.maximum(images.images.std((0, 2, 3), dtype=np.float64), 1e-6)
    ways: dict[str, Normalization] = {"values as they are": ((0.0,) * channels, (1.0,) * channels)}
    ways["values from -1 to 1"] = (0.5,) * channels, (0.5,) * channels
    ways["values from 0 to 255"] = (0.0,) * channels, (1 / 255,) * channels
    ways["their own mean and deviation"] = tuple(means.tolist()), tuple(deviations.tolist())
    if channels == 3:
        ways["ImageNet's mean and deviation"] = IMAGENET
    found = {words: Evaluator(checkpoint, few, way).accuracy(None, unwanted) for words, way in ways.items()}
    best = max(found, key=lambda words: found[words])
    return best, ways[best]


def _label_columns(source: Source, checkpoint: Checkpoint) -> LabelledImages:
    from gsp_studio.pruning.accuracy import channels_of
    from gsp_studio.pruning.images import digits, labelled_from

    if source == DIGITS:
        return digits()
    if isinstance(source, Dataset):
        return labelled_from(source)
    options = LoadOptions(colour="rgb" if channels_of(checkpoint) == 3 else "grey")
    return labelled_from(load_dataset(source, options=options))


def save(checkpoint: Checkpoint, choice: NetworkSettings, names: Sequence[str], out: Path) -> list[Path]:
    """Write the pruned network and pruning.json, as ``gsp-studio prune`` does; the files.

    Raises
    ------
    ValueError, OSError
    """
    own = tuple((name, choice.target_of(name)) for name in names) if choice.mode == "own" else ()
    grouping = Grouping(choice.scope, own=own, exclude=choice.exclude)
    check_target(checkpoint, out)
    check_report(out.parent)
    pruned = project_checkpoint(checkpoint, choice.sparsity, grouping)
    save_checkpoint(checkpoint, out, pruned.weights)
    described = describe(checkpoint, pruned, grouping, {"sparsity": choice.sparsity})
    return [out, write_report(out.parent, out.name, described)]
