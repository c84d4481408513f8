"""GSP Studio: sparse NMF with one slider for the average sparsity of the whole basis.

The public names load on first use, so importing the package costs nothing and never imports Qt.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from gsp_studio.backends import available_backends, get_backend
    from gsp_studio.core.application import apply_basis
    from gsp_studio.core.edits import Kill, Reseed, Split
    from gsp_studio.core.estimator import SparseNMF
    from gsp_studio.core.nmf import METHODS, Iterate, Params, Result, factorize, iterate
    from gsp_studio.core.path import SparsityPath
    from gsp_studio.core.projection import (
        Projection,
        column_sparse_projection,
        group_sparse_projection,
        project_to_zeros,
    )
    from gsp_studio.core.solved_path import solved_path
    from gsp_studio.core.sparsity import hoyer_sparsity
    from gsp_studio.io.axes import Axis
    from gsp_studio.io.dataset import Dataset, DatasetError
    from gsp_studio.io.readers import load_dataset
    from gsp_studio.io.steps import (
        Background,
        Bin,
        Crop,
        Flip,
        Mask,
        Nonnegative,
        Normalize,
        Patches,
        RelativeChange,
        Resize,
        Rotate,
        Subtract,
    )

_HOME = {
    "METHODS": "core.nmf",
    "Axis": "io.axes",
    "Background": "io.steps",
    "Bin": "io.steps",
    "Crop": "io.steps",
    "Dataset": "io.dataset",
    "DatasetError": "io.dataset",
    "Flip": "io.steps",
    "Iterate": "core.nmf",
    "Kill": "core.edits",
    "Mask": "io.steps",
    "Nonnegative": "io.steps",
    "Normalize": "io.steps",
    "Params": "core.nmf",
    "Patches": "io.steps",
    "Projection": "core.projection",
    "Reseed": "core.edits",
    "RelativeChange": "io.steps",
    "Resize": "io.steps",
    "Result": "core.nmf",
    "Rotate": "io.steps",
    "SparseNMF": "core.estimator",
    "SparsityPath": "core.path",
    "Split": "core.edits",
    "Subtract": "io.steps",
    "apply_basis": "core.application",
    "available_backends": "backends",
    "column_sparse_projection": "core.projection",
    "factorize": "core.nmf",
    "get_backend": "backends",
    "group_sparse_projection": "core.projection",
    "hoyer_sparsity": "core.sparsity",
    "iterate": "core.nmf",
    "load_dataset": "io.readers",
    "project_to_zeros": "core.projection",
    "solved_path": "core.solved_path",
}

__all__ = [
    "METHODS",
    "Axis",
    "Background",
    "Bin",
    "Crop",
    "Dataset",
    "DatasetError",
    "Flip",
    "Iterate",
    "Kill",
    "Mask",
    "Nonnegative",
    "Normalize",
    "Params",
    "Patches",
    "Projection",
    "RelativeChange",
    "Reseed",
    "Resize",
    "Result",
    "Rotate",
    "SparseNMF",
    "SparsityPath",
    "Split",
    "Subtract",
    "__version__",
    "apply_basis",
    "available_backends",
    "column_sparse_projection",
    "factorize",
    "get_backend",
    "group_sparse_projection",
    "hoyer_sparsity",
    "iterate",
    "load_dataset",
    "project_to_zeros",
    "solved_path",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value = _version()
    elif name in _HOME:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # takes as long to import as a third of the rest

    try:
        return version("gsp-studio")
    except PackageNotFoundError:  # a checkout on the path that was never installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
