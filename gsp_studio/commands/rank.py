"""``gsp-studio rank``: cross-validate ranks, a line each, and suggest one."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from typing import Any

from gsp_studio.backends import get_backend
from gsp_studio.core.nmf import Params
from gsp_studio.experiments.rank import RankRow, study_ranks
from gsp_studio.io.dataset import Dataset

_HEADS = ("rank", "left out", "spread", "explained", "stability", "dispersion", "cophenetic")


def run(args: argparse.Namespace, load: Callable[[argparse.Namespace], Dataset]) -> int:
    """Study the ranks, print each as it is ready, and suggest one."""
    if args.seeds < 1:
        raise ValueError(f"seeds is {args.seeds}; accepted is a whole number >= 1")
    words = sys.stderr if args.json else sys.stdout
    dataset = load(args)
    params = Params(1, args.method, args.sparsity, args.seed, args.max_iter)

    def show(row: RankRow) -> None:
        numbers = (row.explained.mean(), row.stability, row.consensus.dispersion, row.consensus.cophenetic)
        told = "".join(f" {number:10.4f}" for number in numbers)
        print(f"{row.rank:4} {100 * row.error:10.3f} % {100 * row.spread:9.3f} %{told}", file=words, flush=True)

    print("{:>4} {:>12} {:>11} {:>10} {:>10} {:>10} {:>10}".format(*_HEADS), file=words)
    study = study_ranks(dataset.X, args.ranks, params, get_backend(args.backend, args.threads), args.seeds, show)
    print(f"suggested: rank {study.suggested}, as {study.reason}", file=words)
    if args.json:
        rows = [_as_json(row) for row in study.rows]
        print(json.dumps({"suggested": study.suggested, "reason": study.reason, "ranks": rows}))
    return 0


def _as_json(row: RankRow) -> dict[str, Any]:
    """Numbers of a rank for JSON; those that need several seeds are null for one."""
    numbers = {
        "rank": row.rank,
        "error": row.error,
        "spread": row.spread,
        "explained": float(row.explained.mean()),
        "stability": row.stability,
        "dispersion": row.consensus.dispersion,
        "cophenetic": row.consensus.cophenetic,
    }
    return {name: None if math.isnan(number) else number for name, number in numbers.items()}
