"""All layers of ResNet50 projected: 25 million weights, as 54 groups and as one, against copying them.

The goal of half a second is for four cores; a copy of the weights, measured in the same run, shows the machine's speed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from benchmarks.timing import Row
from gsp_studio.pruning import Grouping, GSPPruner, Layer, NetworkPath, prune_layers
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
    more = [] if quick else torch_rows(layers, 5)
    return [*found, *more, *frozen_rows(25 if quick else 200), *sparse_rows(50 if quick else 300)]


def torch_rows(layers: Sequence[Layer], repeats: int) -> list[Row]:
    """Processor time to prune to 90 % zeros over the network, over that of `torch.nn.utils.prune`, by pairs.

    By magnitude both zero the same weights; GSP chooses others.
    """
    import torch
    from torch.nn.utils import prune

    taken: dict[str, list[float]] = {"gsp": [], "magnitude": []}
    for _ in range(repeats):
        modules = [torch.nn.Module() for _ in layers]
        for module, layer in zip(modules, layers, strict=True):
            module.weight = torch.nn.Parameter(torch.from_numpy(layer.weights.copy()))
        start = time.process_time()
        prune.global_unstructured([(module, "weight") for module in modules], prune.L1Unstructured, amount=0.9)
        theirs = time.process_time() - start
        for method, ratios in taken.items():
            start = time.process_time()
            prune_layers(method, layers, 0.9, Grouping("network"))
            ratios.append((time.process_time() - start) / theirs)
    return [
        Row(f"resnet50_{method}_over_torch_prune", float(np.median(ratios)), "x its processor time, 90 % zeros")
        for method, ratios in taken.items()
    ]


def frozen_rows(repeats: int) -> list[Row]:
    """Training steps and passes of a model whose zeros are held, against the same model without, by pairs."""
    import torch
    from torch.nn import functional

    from gsp_studio.pruning.models import make_model

    found = []
    for name, shape, batch in (("lenet300", (1, 28, 28), 64), ("resnet20", (3, 32, 32), 128)):
        dense, frozen = make_model(name, shape, 10, 0), make_model(name, shape, 10, 0)
        pruner = GSPPruner(frozen, zeros=0.9, group="network")
        pruner.single_shot()
        pruner.freeze_masks()
        x, y = torch.randn(batch, *shape), torch.randint(0, 10, (batch,))
        optimizers = {
            model: torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)
            for model in (dense, frozen)
        }

        def step(model: torch.nn.Module, optimizers=optimizers, x=x, y=y) -> None:
            optimizers[model].zero_grad()
            functional.cross_entropy(model(x), y).backward()
            optimizers[model].step()

        def forward(model: torch.nn.Module, x=x) -> None:
            with torch.inference_mode():
                model(x)

        count = repeats if name == "lenet300" else max(5, repeats // 8)
        for act, words, goal in ((step, "step", 1.15), (forward, "pass", 1.05)):
            ratio = paired(partial(act, dense), partial(act, frozen), count)
            found.append(Row(f"{name}_frozen_{words}", ratio, f"x dense, batch {batch}", goal))
    return found


def sparse_rows(repeats: int) -> list[Row]:
    """A linear layer as sparse rows against the same one dense, for 64 images."""
    from scipy import sparse

    rng = np.random.default_rng(0)
    x = rng.standard_normal((1024, 64), dtype=np.float32)
    found = []
    for zeros in (0.9, 0.95, 0.98):
        dense = rng.standard_normal((1024, 1024), dtype=np.float32)
        dense[rng.random(dense.shape) < zeros] = 0
        rows = sparse.csr_matrix(dense)
        ratio = paired(lambda dense=dense: dense @ x, lambda rows=rows: rows @ x, repeats)
        found.append(Row(f"sparse_rows_{zeros:g}", ratio, "x dense, 1024 x 1024, batch 64"))
    return found


def paired(usual: Callable[[], object], other: Callable[[], object], repeats: int) -> float:
    """The median over pairs of the time of one call over that of another."""
    usual(), other()
    ratios = []
    for _ in range(repeats):
        start = time.perf_counter()
        usual()
        middle = time.perf_counter()
        other()
        ratios.append((time.perf_counter() - middle) / (middle - start))
    return float(np.median(ratios))


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
