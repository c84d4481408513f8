"""``gsp-studio prune``: a network's layers as a table, or the network once more with sparse weights."""

from __future__ import annotations

import argparse
import json
import math
import sys
import warnings
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
    goal.add_argument(
        "--compare", type=_numbers, metavar="LIST", help="accuracy on --images of all methods at these shares of zeros"
    )
    parser.add_argument(
        "--method",
        choices=["gsp", "magnitude", "lamp"],
        default="gsp",
        help="what chooses the weights that go: the projection (gsp), or with --to-zeros magnitudes or LAMP's scores",
    )
    parser.add_argument(
        "--group", choices=["layer", "network"], default="layer", help="each layer at s (layer), or all in one group"
    )
    parser.add_argument(
        "--shares",
        choices=["balanced", "even", "paper"],
        default="balanced",
        help="of layers in one group: balanced; one threshold for all (even); or the paper's, hard on small layers",
    )
    parser.add_argument(
        "--values",
        choices=["kept", "shrunken"],
        default="kept",
        help="weights that stay keep their values, or have the projection's, which are smaller",
    )
    parser.add_argument("--keep-one", action="store_true", help="leave every vector a weight; else filters may vanish")
    parser.add_argument(
        "--vectors",
        choices=["filters", "rows", "columns", "positions", "layers"],
        default="filters",
        help="a vector is a filter or row, the weights of one input, of one position across filters, or a whole layer",
    )
    parser.add_argument(
        "--layer", action="append", type=_own, default=[], metavar="NAME=S", help="a target of a layer's own"
    )
    parser.add_argument(
        "--exclude",
        type=_names,
        default=(),
        metavar="LIST",
        help="layers left as they are: names of them or of modules, patterns, first, last",
    )
    evaluation = parser.add_argument_group("accuracy and calibration, of known networks (images: any data set)")
    evaluation.add_argument("--images", metavar="PATH", help="labelled images: accuracy before and after")
    evaluation.add_argument("--calibrate", metavar="PATH", help="images, labelled or not, for the two options below")
    evaluation.add_argument("--importance", action="store_true", help="weights of hardly active inputs go first (WGSP)")
    evaluation.add_argument("--batch-norm", action="store_true", help="re-estimate the statistics of batch norms")
    evaluation.add_argument(
        "--normalize",
        choices=["imagenet", "unit", "none"],
        help="images as in training: ImageNet's mean and deviation (colours), from -1 to 1, from 0 to 1 (grey)",
    )
    parser.add_argument("--out", metavar="FILE", help="the pruned network; without, the layers are listed")
    parser.add_argument(
        "--compact",
        metavar="FILE",
        help="also the network without filters and neurons that do nothing, with the same outputs: a .safetensors of a "
        "known network or chain of linear layers, an .onnx of an ONNX model",
    )
    parser.add_argument(
        "--sparse",
        metavar="FILE",
        help="also a .safetensors with matrices as sparse rows, for pruning.load_sparse; of an ONNX model an .onnx "
        "with sparse initializers, for ONNX Runtime",
    )
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


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is no list of numbers, for example 0.4,0.6,0.8') from None


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
    _check(args, wants)
    checkpoint = open_checkpoint(args.model)
    if args.compare is not None:
        from gsp_studio.commands.prune_comparison import compare

        return compare(checkpoint, args)
    if not wants:
        return _list(checkpoint, args.json)
    return _prune(checkpoint, args)


def _check(args: argparse.Namespace, wants: bool) -> None:
    """Refuse arguments that do not go together."""
    if args.compare is not None:
        if args.images is None or args.out is not None:
            raise ValueError("--compare needs --images, labelled images to evaluate on, and writes no --out")
    elif wants != (args.out is not None):
        needed = "--out, the file to write" if wants else "--sparsity, --to-zeros or --layer"
        raise ValueError(f"to prune a network, prune needs {needed}; with MODEL alone it lists the layers")
    if args.method != "gsp" and args.to_zeros is None and args.compare is None:
        raise ValueError(f"--method {args.method} takes a share of zeros: --to-zeros F")
    if (args.importance or args.batch_norm) and args.calibrate is None:
        raise ValueError("--importance and --batch-norm need --calibrate, images to look at")
    if args.importance and args.method != "gsp":
        raise ValueError("--importance weights the projection; --method gsp has it alone")


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
    _tell_of_tools(checkpoint, sys.stdout)
    return 0


def _prune(checkpoint: Checkpoint, args: argparse.Namespace) -> int:
    from gsp_studio.commands.prune_comparison import Images, grouping_of
    from gsp_studio.commands.prune_files import SmallerFiles
    from gsp_studio.io.dataset import one_line
    from gsp_studio.pruning.checkpoint import check_target, save_checkpoint
    from gsp_studio.pruning.grouping import FIRST, LAST, meant_by
    from gsp_studio.pruning.methods import prune_layers
    from gsp_studio.pruning.projection import project_layers
    from gsp_studio.pruning.report import check_report, describe, write_report
    from gsp_studio.pruning.sizes import file_sizes, places_of, sizes_of
    from gsp_studio.pruning.sizes import told as told_sizes

    out = Path(args.out)
    grouping = grouping_of(args)
    check_report(out.parent)
    if out.parent.is_dir():
        check_target(checkpoint, out)  # before the work, not after it
    if out.exists() and not args.force:
        raise ValueError(f"{out} exists; accepted are another --out, or --force to replace it")
    images = Images(checkpoint, args)
    layers = images.weighted(checkpoint.layers)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        if args.to_zeros is not None:
            pruned, asked = prune_layers(args.method, layers, args.to_zeros, grouping), {"to_zeros": args.to_zeros}
        else:  # layers with targets of their own alone: the others are left as they are
            target = 0.0 if args.sparsity is None else args.sparsity
            pruned, asked = project_layers(layers, target, grouping), {"sparsity": target}
    accuracies = images.accuracies(pruned.weights)
    statistics = images.statistics(pruned.weights)
    smaller = SmallerFiles(checkpoint, {**pruned.weights, **statistics}, args, images.shape)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(checkpoint, out, pruned.weights, statistics)
    smaller.save()
    sizes = sizes_of(checkpoint.layers, pruned.weights, places_of(checkpoint, images.shape))
    files = {path.name: file_sizes(path) for path in (out, *smaller.paths)}
    more = {"method": args.method, **images.described(accuracies), "sizes": sizes.described()}
    more |= smaller.described()
    more["files"] = {name: {"bytes": whole, "gzipped": packed} for name, (whole, packed) in files.items()}
    described = describe(checkpoint, pruned, grouping, asked, more)
    report = write_report(out.parent, out.name, described)
    words = sys.stderr if args.json else sys.stdout
    if args.json:
        print(json.dumps(described))
    _tell(pruned.layers, words)
    for status in sorted({layer.status for layer in pruned.layers} - {"the target is attained"}):
        names = [layer.name for layer in pruned.layers if layer.status == status]
        print(f"{', '.join(names[:4])}{', ...' if len(names) > 4 else ''}: {status}", file=words)
    for warning in told:
        print(one_line(str(warning.message)), file=words)
    _tell_of_tools(checkpoint, words)
    by = "the graph" if checkpoint.format == "onnx" else "the order of the file"
    for end in (FIRST, LAST):
        if end in args.exclude:
            meant = one_line(", ".join(meant_by(end, checkpoint.layers))) or "no layer"
            print(f"{end}, by {by}, and left as it is: {meant}", file=words)
    at = "" if math.isnan(pruned.sparsity) else f"s = {pruned.sparsity:.6f}, "
    print(f"{at}{pruned.zeros:.2%} zeros in {len(pruned.layers)} layers", file=words)
    for line in images.told(accuracies):
        print(line, file=words)
    for line in told_sizes(sizes, files.pop(out.name)):
        print(line, file=words)
    for name, (whole, packed) in files.items():
        print(f"{name}: {whole / 1000:,.1f} kB, {packed / 1000:,.1f} kB gzipped", file=words)
    for line in smaller.told(images):
        print(line, file=words)
    print(f"{', '.join(map(str, (out, *smaller.paths)))} and {report.name}", file=words)
    return 0


def _tell_of_tools(checkpoint: Checkpoint, words: TextIO) -> None:
    """Weights that cannot be pruned as they are, with the cure."""
    from gsp_studio.io.dataset import one_line
    from gsp_studio.pruning.formats.array_names import TOOLS

    for reason in sorted({array.reason for array in checkpoint.left_alone if TOOLS in array.reason}):
        names = [one_line(array.name) for array in checkpoint.left_alone if array.reason == reason]
        print(f"left alone: {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}: {reason}", file=words)


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
