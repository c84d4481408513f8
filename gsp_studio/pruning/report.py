"""pruning.json: source and settings of pruned networks, beside their files; one for all networks in a folder."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gsp_studio.io.atomic import write_whole
from gsp_studio.io.run_json import DAMAGE, PROGRAM, write_json
from gsp_studio.io.versions import software_versions
from gsp_studio.pruning.checkpoint import Checkpoint, CheckpointError
from gsp_studio.pruning.grouping import Grouping
from gsp_studio.pruning.projection import PrunedNetwork

REPORT = "pruning.json"
FORMAT = 1


def describe(
    checkpoint: Checkpoint,
    pruned: PrunedNetwork,
    grouping: Grouping,
    asked: dict[str, float],
    more: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Entry of one network in pruning.json.

    Parameters
    ----------
    checkpoint : Checkpoint
    pruned : PrunedNetwork
    grouping : Grouping
    asked : dict
        ``{"sparsity": s}`` or ``{"to_zeros": fraction}``.
    more : dict, optional
        Further entries: the method, the accuracy.
    """
    size = sum(layer.size for layer in pruned.layers)
    before = sum(layer.zeros_before * layer.size for layer in pruned.layers) / size
    return {
        "source": str(checkpoint.path.absolute()),
        "sha256": _digest(checkpoint.path),
        "format": checkpoint.format,
        "asked": asked,
        **(more or {}),
        "sparsity": _plain(pruned.sparsity),
        "grouping": asdict(grouping),
        "weights": size,
        "zeros_before": before,
        "zeros_after": pruned.zeros,
        "layers": [{key: _plain(value) for key, value in asdict(layer).items()} for layer in pruned.layers],
        "left_alone": [
            *(asdict(array) for array in checkpoint.left_alone),
            *(
                {"name": layer.name, "shape": layer.shape, "dtype": layer.dtype, "reason": "excluded"}
                for layer in checkpoint.layers
                if layer.name not in pruned.weights
            ),
        ],
        "versions": software_versions(),
    }


def _plain(value: Any) -> Any:
    """A value for JSON, which has no NaN: methods other than GSP have no target."""
    return None if isinstance(value, float) and math.isnan(value) else value


def check_report(folder: Path) -> None:
    """Check that the pruning.json of a folder is one of GSP Studio, or missing.

    Raises
    ------
    CheckpointError
    """
    _networks(folder / REPORT)


def write_report(folder: Path, name: str, described: dict[str, Any]) -> Path:
    """Add a network to the pruning.json of a folder, or replace it there.

    Parameters
    ----------
    folder : Path
    name : str
        Of the network's file.
    described : dict
        Of `describe`.

    Returns
    -------
    Path
        The pruning.json.

    Raises
    ------
    CheckpointError, WriteError
    """
    path = folder / REPORT
    content = {"program": PROGRAM, "format": FORMAT, "networks": {**_networks(path), name: described}}
    write_whole(path, lambda temporary: write_json(temporary, content))
    return path


def _networks(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["program"] == PROGRAM and content["format"] == FORMAT:
            return dict(content["networks"])
    except FileNotFoundError:
        return {}
    except (OSError, *DAMAGE, TypeError, RecursionError):
        pass  # said below, as of a file that is whole but something else
    raise CheckpointError(f"{path} was not written by GSP Studio, or is damaged; choose another folder")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
