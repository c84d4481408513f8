"""``gsp-studio compare``: methods on a data set, or exported runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gsp_studio.commands import arguments
from gsp_studio.commands.proposals import proposed

if TYPE_CHECKING:
    from gsp_studio.core.truth import Agreement
    from gsp_studio.experiments.compare import Comparison


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``gsp-studio compare``."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a data set; or several exported runs")
    parser.add_argument("--json", action="store_true", help="of exported runs: the comparison as JSON on stdout")
    parser.add_argument("--methods", default="ahals,gsphals", help="methods, separated by commas")
    arguments.add_parameters(parser, only=("rank", "sparsity", "max_iter", "seed"))
    arguments.add_truth(parser)
    arguments.add_layout(parser)
    arguments.add_machine(parser)
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Compare exported runs where several paths are given, else methods on one data set."""
    from gsp_studio.backends import get_backend
    from gsp_studio.core.nmf import check_params
    from gsp_studio.experiments.compare import compare

    if len(args.paths) > 1:
        return _exports(args.paths, args.json, args.truth)
    if args.rank is None and args.samples != "pixels":
        raise ValueError(
            "compare needs --rank (proposed with --samples pixels) and a data set, or several exported runs"
        )
    args.path = args.paths[0]
    methods = [name.strip() for name in args.methods.split(",")]
    runs = [arguments.params_of(args, method=name, rank=1 if args.rank is None else args.rank) for name in methods]
    dataset = arguments.load(args)
    chosen = proposed(args, dataset, methods)
    runs = [replace(params, **chosen) for params in runs]
    for params in runs:
        check_params(params, *dataset.X.shape)
    truth = arguments.truth_of(args, dataset)
    beside = "" if truth is None else f" {'angle':>9} {'RMSE':>8}"
    if truth is not None:
        print(f"beside {truth.source}:")
    print(f"{'method':10} {'error':>11} {'sparsity':>9} {'least':>9} {'time':>11} {'iteration':>12}{beside}")
    compare(dataset.X, runs, get_backend(args.backend, args.threads), on_done=_show, truth=truth)
    return 0


def _show(row: Comparison) -> None:
    each = 1e3 * row.seconds / len(row.history.n_iter)
    print(
        f"{row.label:10} {100 * row.error:9.3f} % {row.sparsity:9.4f} {row.least_sparsity:9.4f} "
        f"{row.seconds:9.2f} s {each:9.2f} ms{_agreement(row.agreement)}",
        flush=True,
    )


def _agreement(agreement: Agreement | None) -> str:
    return "" if agreement is None else f" {agreement.mean_angle:5.2f} deg {agreement.total_rmse:8.4f}"


def _exports(paths: Sequence[str], as_json: bool, references: Sequence[str]) -> int:
    """Exported runs side by side, with the basis images of the first found again in the others."""
    from gsp_studio.experiments.compare import compared_exports
    from gsp_studio.io.truth_file import lines_of

    rows = compared_exports(paths, references)
    if as_json:
        print(json.dumps(rows))
        return 0
    print(f"{'run':32} {'method':8} {'rank':>4} {'error':>11} {'sparsity':>9} {'time':>9} {'alike':>7}")
    for row in rows:
        print(
            f"{row['run'][-32:]:32} {row['method']:8} {row['rank']:4} {100 * row['error']:9.3f} % "
            f"{row['sparsity']:9.4f} {row['seconds']:7.2f} s {row['similarity']:7.4f}"
        )
    for row in (row for row in rows if "truth" in row):
        print(f"\n{row['run']}", *lines_of(row["truth"]), sep="\n")
    if len({row["held_out"] for row in rows}) > 1:
        for row in (row for row in rows if row["held_out"]):
            print(
                f"{row['run']}: its error is that of the {100 * (1 - row['held_out']):g} % of the entries that it has "
                f"seen; that of the others is {100 * row['held_out_error']:.3f} %"
            )
    return 0
