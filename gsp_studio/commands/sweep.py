"""``gsp-studio sweep``: runs of all ranks, sparsities and seeds, kept on the disk."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from gsp_studio.commands import arguments
from gsp_studio.commands.entries import check_entries, entries_of
from gsp_studio.commands.exit_codes import BAD_INPUT, INTERRUPTED

if TYPE_CHECKING:
    from gsp_studio.experiments.grid import Grid
    from gsp_studio.experiments.sweep import CellState, Sweep, SweepPoll

TABLE = "sweep.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``gsp-studio sweep``."""
    parser.add_argument("path", metavar="PATH", help="data set")
    parser.add_argument(
        "--ranks", type=arguments.ranks, required=True, metavar="A:B:STEP", help="ranks to try, B left out; or A,B,C"
    )
    parser.add_argument(
        "--sparsities",
        type=arguments.sparsities,
        default=(0.85,),
        metavar="A:B:STEP",
        help="targets to try, B left out; or A,B,C (0.85)",
    )
    parser.add_argument(
        "--seeds", type=int, default=1, help="runs of each rank with each sparsity; --seed is that of the first"
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder for the finished runs, which later calls use"
    )
    parser.add_argument("--json", action="store_true", help="the cells as JSON on stdout, words on stderr")
    arguments.add_run(parser, without=("rank", "sparsity"))
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Do a sweep, as far as it was not done before, and return the exit code."""
    from gsp_studio.experiments.solver_pool import Interrupted
    from gsp_studio.experiments.sweep import Stage

    sweep = _sweep(args)
    words = sys.stderr if args.json else sys.stdout
    folder = sweep.shelf.folder
    kept = sweep.look().count(Stage.DONE)
    if kept:
        print(f"{kept} of {len(sweep.grid.cells)} runs were finished before and are not done again", file=sys.stderr)
    _head(sweep.grid, words)
    try:
        done = sweep.run(lambda state: _line(state, words))
    except Interrupted as stop:
        print(
            f"gsp-studio: interrupted; {stop.finished} of {stop.total} runs are finished and kept in {folder}, "
            "and the same command goes on from there",
            file=sys.stderr,
        )
        return INTERRUPTED
    _write_table(done, sweep)
    _print_table(done, sweep.grid, words)
    print(f"{TABLE}, sweep.json and a file a run in {folder}", file=words)
    if args.json:
        cells = [_plain(state, sweep) for state in done.states]
        print(json.dumps({"folder": str(folder), "method": args.method, "max_iter": args.max_iter, "cells": cells}))
    failed = done.count(Stage.FAILED)
    if failed:
        print(f"gsp-studio: {failed} of {len(done.states)} runs failed", file=sys.stderr)
    return BAD_INPUT if failed else 0


def _sweep(args: argparse.Namespace) -> Sweep:
    """Grid of the arguments; all of them are checked before anything is computed or written."""
    from dataclasses import replace

    from gsp_studio.backends import get_backend
    from gsp_studio.experiments.grid import Grid
    from gsp_studio.experiments.sweep import Sweep
    from gsp_studio.io.pixels import read_pixels

    if args.seeds < 1:
        raise ValueError(f"seeds is {args.seeds}; accepted is a whole number >= 1")
    check_entries(args)
    out = Path(args.out)
    existing = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not args.out or not existing.is_dir():
        raise ValueError(
            f'"{args.out}" cannot be the folder of a sweep; name a folder, which is made where it is missing'
        )
    get_backend(args.backend, args.threads)
    base = arguments.params_of(args, rank=1)
    seeds = range(args.seed, args.seed + args.seeds)
    Grid(base, args.ranks, args.sparsities, seeds)
    dataset = arguments.load(args)
    if args.weights is not None:
        base = replace(base, weights=read_pixels(args.weights, dataset))
    mask = entries_of(args, dataset)
    return Sweep(dataset, Grid(base, args.ranks, args.sparsities, seeds), out, args.backend, args.threads, mask)


def _head(grid: Grid, words: TextIO) -> None:
    target = f" {'s':>7}" if grid.has_target else ""
    print(f"{'rank':>4}{target} {'seed':>5} {'error':>11} {'sparsity':>9} {'time':>11}", file=words, flush=True)


def _line(state: CellState, words: TextIO) -> None:
    cell = state.cell
    target = "" if cell.sparsity is None else f" {cell.sparsity:7.4g}"
    numbers = f"{100 * state.error:9.3f} % {state.sparsity:9.4f} {state.seconds:9.2f} s"
    print(f"{cell.rank:4}{target} {cell.seed:5} {state.text or numbers}", file=words, flush=True)


def _print_table(done: SweepPoll, grid: Grid, words: TextIO) -> None:
    """The mean error over the seeds: a row a rank, a column a sparsity."""
    errors: dict[tuple[int, float | None], list[float]] = {}
    for state in done.states:
        errors.setdefault((state.cell.rank, state.cell.sparsity), []).append(state.error)
    what = "error in %" if len(grid.seeds) == 1 else f"mean error in % over {len(grid.seeds)} seeds"
    print(f"\n{what}, a row a rank{', a column a sparsity' if grid.has_target else ''}", file=words)
    if grid.has_target:
        print("    " + "".join(f"{s:>9.4g}" for s in grid.targets), file=words)
    for rank in grid.ranks:
        means = (sum(errors[rank, s]) / len(errors[rank, s]) for s in grid.targets)
        print(
            f"{rank:4}" + "".join("   failed" if math.isnan(mean) else f"{100 * mean:9.3f}" for mean in means),
            file=words,
        )


def _plain(state: CellState, sweep: Sweep) -> dict[str, Any]:
    from gsp_studio.experiments.sweep import Stage

    cell, is_done = state.cell, state.stage is Stage.DONE
    return {
        "rank": cell.rank,
        "sparsity": cell.sparsity,
        "seed": cell.seed,
        "state": state.stage.value,
        "error": state.error if is_done else None,
        "attained": state.sparsity if is_done else None,
        "iterations": state.n_iter,
        "seconds": state.seconds if is_done else None,
        "file": sweep.shelf.path(cell).name if is_done else None,
        "problem": state.text or None,
    }


def _write_table(done: SweepPoll, sweep: Sweep) -> None:
    from gsp_studio.io.atomic import write_whole

    rows = [_plain(state, sweep) for state in done.states]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(sweep.shelf.folder / TABLE, lambda path: path.write_text(text.getvalue(), encoding="utf-8"))
