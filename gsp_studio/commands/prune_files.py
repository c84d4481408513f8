"""Smaller files that ``gsp-studio prune`` writes beside the pruned network: --compact and --sparse."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsp_studio.arrays import Array

if TYPE_CHECKING:
    from gsp_studio.commands.prune_comparison import Images
    from gsp_studio.pruning.checkpoint import Checkpoint
    from gsp_studio.pruning.compact import CompactNetwork


class SmallerFiles:
    """The further files that were asked for, made before anything is written.

    Parameters
    ----------
    checkpoint : Checkpoint
    weights : mapping of str to ndarray
        New values of layers, and of other arrays.
    args : Namespace
        ``compact``, ``sparse`` and ``force``.
    shape : (channels, height, width), optional
        Of the images that it sees, where these are known.

    Raises
    ------
    ValueError
        Names that cannot be written, or a network that is not known.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        weights: Mapping[str, Array],
        args: argparse.Namespace,
        shape: tuple[int, int, int] | None = None,
    ) -> None:
        self._compact: CompactNetwork | None = None
        self._compact_path = Path(args.compact) if args.compact is not None else None
        self._writers: dict[Path, Callable[[Path], None]] = {}
        is_graph = checkpoint.format == "onnx"
        for name in (args.compact, args.sparse):
            if name is not None:
                _check(Path(name), ".onnx" if is_graph else ".safetensors", args.force)
        if self._compact_path is not None:
            from gsp_studio.pruning.compact import compact_network

            self._compact = compact_network(checkpoint, weights, shape)
            self._writers[self._compact_path] = self._compact.save
        if args.sparse is not None:
            from gsp_studio.pruning.compact import arrays_of
            from gsp_studio.pruning.sparse_rows import save_sparse, save_sparse_graph

            if is_graph:
                self._writers[Path(args.sparse)] = lambda path: save_sparse_graph(checkpoint, path, weights)
            else:
                arrays = arrays_of(checkpoint, weights)
                self._writers[Path(args.sparse)] = lambda path: save_sparse(path, arrays)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files."""
        return tuple(self._writers)

    def save(self) -> None:
        """Write them."""
        for path, write in self._writers.items():
            write(path)

    def described(self) -> dict[str, Any]:
        """Entries of the report."""
        if self._compact is None:
            return {}
        found = self._compact.found
        left = {name: {"count": count, "reason": reason} for name, (count, reason) in found.left.items()}
        return {"compact": {"removed": found.removed, "left": left}}

    def told(self, images: Images) -> list[str]:
        """Lines on the filters that are gone and those that had to stay, and on the accuracy of the smaller network."""
        if self._compact is None or self._compact_path is None:
            return []
        found = self._compact.found
        lines = [f"{found.count} filters or rows removed from {len(found.removed)} layers"]
        by_reason: dict[str, list[int]] = {}
        for count, reason in found.left.values():
            by_reason.setdefault(reason, []).append(count)
        lines += [
            f"{sum(counts)} empty ones in {len(counts)} layers are left: {reason}"
            for reason, counts in by_reason.items()
        ]
        accuracy = images.accuracy_of(self._compact_path)
        if accuracy is not None:
            lines.append(f"{self._compact_path.name}: accuracy {accuracy:.2%}")
        return lines


def _check(path: Path, suffix: str, force: bool) -> None:
    if path.exists() and not force:
        raise ValueError(f"{path} exists; accepted are another name, or --force to replace it")
    if path.suffix != suffix:
        raise ValueError(f"{path} does not end in {suffix}, as this format asks")
