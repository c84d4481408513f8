"""``gsp-studio prune``: a network's layers as a table, or the network once more with sparse weights."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from gsp_studio.pruning.checkpoint import Checkpoint
    from gsp_studio.pruning.projection import LayerReport

_WIDEST = 48


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``gsp-studio prune``."""
    parser.add_argument(
        "model", metavar="MODEL", help=".safetensors, .pt, .pth, .th, .npz or .onnx; nothing in it is run"
    )
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument("--sparsity", type=float, metavar="S", help="average Hoyer sparsity of the filters, 0 to 1")
    goal.add_argument(
        "--to-zeros", type=float, metavar="F", help="the smallest s that makes this fraction of weights 0"
    )
    parser.add_argument(
        "--group", choices=["layer", "network"], default="layer", help="each layer at s (layer), or all in one group"
    )
    parser.add_argument(
        "--vectors",
        choices=["filters", "columns", "layers"],
        default="filters",
        help="a vector is a filter or row (filters), the weights of one input, or a whole layer",
    )
    parser.add_argument(
        "--layer", action="append", type=_own, default=[], metavar="NAME=S", help="a target of a layer's own"
    )
    parser.add_argument(
        "--exclude", type=_names, default=(), metavar="LIST", help="layers left as they are: names, first, last"
    )
    parser.add_argument("--out", metavar="FILE", help="the pruned network; without, the layers are listed")
    parser.add_argument("--force", action="store_true", help="replace a file that has the name of --out")
    parser.add_argument("--json", action="store_true", help="the report as JSON on stdout")
    parser.set_defaults(command=run)


def _own(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        if name:
            return name, float(value)
    except ValueError:
        pass  # said below
    raise argparse.ArgumentTypeError(f'"{text}" is not NAME=S, for example fc1.weight=0.9')


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def run(args: argparse.Namespace) -> int:
    """List the layers of a network or prune it; the exit code.

    Raises
    ------
    ValueError, OSError
        Input that cannot be used, in one sentence.
    """
    from gsp_studio.pruning.checkpoint import open_checkpoint

    wants = args.sparsity is not None or args.to_zeros is not None or bool(args.layer)
    if wants != (args.out is not None):
        needed = "--out, the file to write" if wants else "--sparsity, --to-zeros or --layer"
        raise ValueError(f"to prune a network, prune needs {needed}; with MODEL alone it lists the layers")
    checkpoint = open_checkpoint(args.model)
    if not wants:
        return _list(checkpoint, args.json)
    return _prune(checkpoint, args)


def _list(checkpoint: Checkpoint, as_json: bool) -> int:
    if as_json:
        layers = [
            {
                "name": layer.name,
                "shape": layer.shape,
                "dtype": layer.dtype,
                "kind": layer.kind,
                "sparsity": None if math.isnan(layer.sparsity) else layer.sparsity,
                "zeros": layer.zeros,
            }
            for layer in checkpoint.layers
        ]
        others = [asdict(array) for array in checkpoint.left_alone]
        print(json.dumps({"format": checkpoint.format, "layers": layers, "left_alone": others}))
        return 0
    print(f"{'layer':{_WIDEST}} {'shape':>18} {'type':>9} {'sparsity':>9} {'zeros':>8}")
    for layer in checkpoint.layers:
        print(
            f"{_fitted(layer.name)} {_shape(layer.shape):>18} {layer.dtype:>9} {layer.sparsity:9.4f} {layer.zeros:8.2%}"
        )
    print(
        f"{len(checkpoint.layers)} layers with {checkpoint.size} weights, average sparsity {checkpoint.sparsity:.4f}, "
        f"{checkpoint.zeros:.2%} zeros; {len(checkpoint.left_alone)} other arrays are left alone"
    )
    return 0


def _prune(checkpoint: Checkpoint, args: argparse.Namespace) -> int:
    from gsp_studio.io.dataset import one_line
    from gsp_studio.pruning.checkpoint import check_target, save_checkpoint
    from gsp_studio.pruning.grouping import FIRST, LAST, Grouping, meant_by
    from gsp_studio.pruning.projection import project_checkpoint, to_zeros
    from gsp_studio.pruning.report import check_report, describe, write_report

    out = Path(args.out)
    grouping = Grouping(args.group, args.vectors, tuple(args.layer), args.exclude)
    check_report(out.parent)
    if out.parent.is_dir():
        check_target(checkpoint, out)  # before the work, not after it
    if out.exists() and not args.force:
        raise ValueError(f"{out} exists; accepted are another --out, or --force to replace it")
    if args.to_zeros is not None:
        pruned, asked = to_zeros(checkpoint, args.to_zeros, grouping), {"to_zeros": args.to_zeros}
    else:  # layers with targets of their own alone: the others are left as they are
        target = 0.0 if args.sparsity is None else args.sparsity
        pruned, asked = project_checkpoint(checkpoint, target, grouping), {"sparsity": target}
    out.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(checkpoint, out, pruned.weights)
    described = describe(checkpoint, pruned, grouping, asked)
    report = write_report(out.parent, out.name, described)
    words = sys.stderr if args.json else sys.stdout
    if args.json:
        print(json.dumps(described))
    _tell(pruned.layers, words)
    for status in sorted({layer.status for layer in pruned.layers} - {"the target is attained"}):
        names = [layer.name for layer in pruned.layers if layer.status == status]
        print(f"{', '.join(names[:4])}{', ...' if len(names) > 4 else ''}: {status}", file=words)
    by = "the graph" if checkpoint.format == "onnx" else "the order of the file"
    for end in (FIRST, LAST):
        if end in args.exclude:
            meant = one_line(", ".join(meant_by(end, checkpoint.layers))) or "no layer"
            print(f"{end}, by {by}, and left as it is: {meant}", file=words)
    print(f"s = {pruned.sparsity:.6f}, {pruned.zeros:.2%} zeros in {len(pruned.layers)} layers", file=words)
    print(f"{out} and {report.name}", file=words)
    return 0


def _tell(layers: Sequence[LayerReport], words: TextIO) -> None:
    print(f"{'layer':{_WIDEST}} {'shape':>18} {'sparsity':>16} {'zeros':>18}", file=words)
    for layer in layers:
        print(
            f"{_fitted(layer.name)} {_shape(layer.shape):>18} "
            f"{layer.sparsity_before:6.4f} -> {layer.sparsity_after:6.4f} "
            f"{layer.zeros_before:7.2%} -> {layer.zeros_after:7.2%}",
            file=words,
        )


def _fitted(name: str) -> str:
    from gsp_studio.io.dataset import one_line

    told = one_line(name)
    return f"{told if len(told) <= _WIDEST else '...' + told[3 - _WIDEST :]:{_WIDEST}}"


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
