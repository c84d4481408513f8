"""``gsp-studio rank``: cross-validate ranks, a line each, and suggest one."""

from __future__ import annotations

import argparse
import json
import math
import sys
from typing import TYPE_CHECKING, Any

from gsp_studio.commands import arguments

if TYPE_CHECKING:
    from gsp_studio.experiments.rank import RankRow

_HEADS = ("rank", "left out", "spread", "energy", "stability", "consensus", "cophenetic")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``gsp-studio rank``."""
    parser.add_argument("path", metavar="PATH", help="data set")
    parser.add_argument(
        "--ranks",
        type=arguments.ranks,
        default=tuple(range(2, 13)),
        metavar="A:B:STEP",
        help="ranks to try, B left out; or A,B,C (2:13)",
    )
    parser.add_argument("--seeds", type=int, default=5, help="fits of each rank to all data")
    parser.add_argument("--method", default="ahals", help="as for fit; ranks are judged without its target")
    parser.add_argument("--sparsity", type=float, default=0.85, help="target of methods that have one")
    parser.add_argument("--max-iter", type=int, default=100, help="iterations of each fit")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--json", action="store_true", help="the study as JSON on stdout")
    arguments.add_layout(parser)
    arguments.add_machine(parser)
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Study the ranks, print each as it is ready, and suggest one."""
    from gsp_studio.backends import get_backend
    from gsp_studio.core.nmf import Params
    from gsp_studio.experiments.rank import study_ranks

    if args.seeds < 1:
        raise ValueError(f"seeds is {args.seeds}; accepted is a whole number >= 1")
    words = sys.stderr if args.json else sys.stdout
    dataset = arguments.load(args)
    params = Params(1, args.method, args.sparsity, args.seed, args.max_iter)

    def show(row: RankRow) -> None:
        numbers = (row.explained_energy.mean(), row.stability, row.consensus.agreement, row.consensus.cophenetic)
        told = "".join(f" {number:10.4f}" for number in numbers)
        print(f"{row.rank:4} {100 * row.error:10.3f} % {100 * row.spread:9.3f} %{told}", file=words, flush=True)

    print("{:>4} {:>12} {:>11} {:>10} {:>10} {:>10} {:>10}".format(*_HEADS), file=words)
    study = study_ranks(dataset.X, args.ranks, params, get_backend(args.backend, args.threads), args.seeds, show)
    print(f"suggested: rank {study.suggested}, as {study.reason}", file=words)
    if study.warning:
        print(f"warning: {study.warning}", file=words)
    if args.json:
        rows = [_as_json(row) for row in study.rows]
        said = {"suggested": study.suggested, "reason": study.reason, "warning": study.warning}
        print(json.dumps({**said, "ranks": rows}))
    return 0


def _as_json(row: RankRow) -> dict[str, Any]:
    """Numbers of a rank for JSON; those that need several seeds are null for one."""
    numbers = {
        "rank": row.rank,
        "error": row.error,
        "spread": row.spread,
        "explained_energy": float(row.explained_energy.mean()),
        "stability": row.stability,
        "consensus": row.consensus.agreement,
        "dispersion": row.consensus.dispersion,
        "cophenetic": row.consensus.cophenetic,
        "free_sparsity": row.free_sparsity,
    }
    return {name: None if math.isnan(number) else number for name, number in numbers.items()}
