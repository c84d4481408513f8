"""All layers of ResNet50 projected: 25 million weights, as 54 groups and as one, against copying them.

The goal of half a second is for four cores; a copy of the weights, measured in the same run, shows the machine's speed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from benchmarks.timing import Row
from gsp_studio.pruning import Grouping, NetworkPath
from gsp_studio.pruning.projection import layers_of, layers_to_zeros, project_layers

TARGET = 0.8
GOAL = 0.5
#: Channels and blocks of the four stages.
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))


def rows(quick: bool) -> list[Row]:
    """All rows; quick ones leave out sorting, and take fewer medians."""
    layers = layers_of(resnet50())
    size, repeats = sum(layer.size for layer in layers), 3 if quick else 9
    x = np.concatenate([layer.weights.reshape(-1) for layer in layers])
    out = np.empty_like(x)
    copy = median(lambda: np.copyto(out, x), repeats)
    found = [Row("resnet50_weights", size, "weights"), Row("resnet50_copy", copy, "s, np.copyto")]
    for scope in ("layer", "network"):
        grouping = Grouping(scope)
        seconds = median(lambda grouping=grouping: project_layers(layers, TARGET, grouping), repeats)
        found += [
            Row(f"resnet50_by_{scope}", seconds, "s, with its report", GOAL),
            Row(f"resnet50_by_{scope}_over_copy", seconds / copy, "x np.copyto"),
        ]
    if not quick:
        grouping = Grouping("network")
        found.append(
            Row("resnet50_to_zeros", median(lambda: layers_to_zeros(layers, 0.9, grouping), 3), "s, 90 % zeros")
        )
        found.append(Row("resnet50_path", median(lambda: NetworkPath(layers, grouping), 1), "s, sorted for the slider"))
    return found


def resnet50(seed: int = 0) -> dict[str, np.ndarray]:
    """Weights of ResNet50's convolutions and its linear layer, as they are at the start of training."""
    rng = np.random.default_rng(seed)
    shapes: list[tuple[int, ...]] = [(64, 3, 7, 7)]
    inputs = 64
    for width, blocks in STAGES:
        for block in range(blocks):
            shapes += [(width, inputs, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1)]
            if block == 0:
                shapes.append((4 * width, inputs, 1, 1))
            inputs = 4 * width
    shapes.append((1000, inputs))
    scales = [np.float32(np.sqrt(2 / np.prod(shape[1:]))) for shape in shapes]
    return {
        f"layer{k}.weight": scale * rng.standard_normal(shape, dtype=np.float32)
        for k, (shape, scale) in enumerate(zip(shapes, scales, strict=True))
    }


def median(run: Callable[[], object], repeats: int) -> float:
    """The median of the seconds that a call takes, the first left out."""
    run()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))
