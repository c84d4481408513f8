"""Networks: the same projection on the weights of layers.

`open_checkpoint` reads a file without running anything in it, `project_checkpoint` and `to_zeros` project its layers,
`save_checkpoint` writes the file once more. `NetworkPath` is the slider, `GSPPruner` prunes a PyTorch model while it
is trained. PyTorch is imported where it is needed only: safetensors, NumPy and ONNX files open without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: Name -> module; imported on first use.
_HOMES = {
    "Checkpoint": "checkpoint",
    "CheckpointError": "checkpoint",
    "open_checkpoint": "checkpoint",
    "save_checkpoint": "checkpoint",
    "Layer": "layers",
    "LeftAlone": "layers",
    "Grouping": "grouping",
    "LayerReport": "projection",
    "PrunedNetwork": "projection",
    "project_checkpoint": "projection",
    "project_weights": "projection",
    "to_zeros": "projection",
    "NetworkPath": "path",
    "Evaluator": "accuracy",
    "LabelledImages": "images",
    "labelled_from": "images",
    "digits": "images",
    "GSPPruner": "pruner",
    "ramp": "pruner",
    "GradualMagnitude": "gradual",
    "prune_layers": "methods",
    "input_norms": "calibration",
    "with_importance": "calibration",
    "batch_norms": "calibration",
    "settled": "calibration",
    "Sizes": "sizes",
    "sizes_of": "sizes",
    "compacted": "compact",
    "save_compact": "compact",
    "compact_network": "compact",
    "network_of": "accuracy",
    "save_sparse": "sparse_rows",
    "load_sparse": "sparse_rows",
    "describe": "report",
    "write_report": "report",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
