"""``gsp-studio reproduce``: figures of the paper, with their runs and numbers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gsp_studio.commands import arguments
from gsp_studio.commands.exit_codes import INTERRUPTED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``gsp-studio reproduce``."""
    from gsp_studio.experiments.figures import FIGURES
    from gsp_studio.pruning import reproduce as pruning

    parser.add_argument("figure", metavar="FIGURE", help=f"one of {', '.join((*FIGURES, pruning.FIGURE))}")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for figures and finished runs")
    parser.add_argument("--data", metavar="PATH", help="images to use (the bundled faces); not for fig1-synthetic")
    parser.add_argument("--max-iter", type=int, help="outer iterations of each run (500)")
    parser.add_argument(
        "--seeds",
        "--sets",
        dest="repeats",
        type=int,
        metavar="N",
        help="starts or, for fig1-synthetic, data sets (as in the paper: 10 and 50); the other figures show the best; "
        "of networks, those that are trained (5)",
    )
    parser.add_argument("--rank", type=int, help="number of basis images (fig1-synthetic: 10, others: 49)")
    parser.add_argument("--sparsity", type=float, help="target, 0 to 1 (fig1-synthetic: the true one, others: 0.85)")
    parser.add_argument("--jobs", type=int, metavar="N", help="solver processes at a time (as many as cores)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    pruning.add_arguments(parser)
    arguments.add_layout(parser)
    arguments.add_machine(parser)
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Make a figure and return the exit code."""
    from gsp_studio.backends import get_backend
    from gsp_studio.experiments.figures import FIGURES
    from gsp_studio.experiments.reproduce import RUNS, check_figure, reproduce
    from gsp_studio.experiments.solver_pool import Interrupted, Machine
    from gsp_studio.pruning import reproduce as pruning

    if args.figure == pruning.FIGURE:
        return pruning.run(args, arguments.load)
    if args.figure not in FIGURES:
        raise ValueError(f'figure "{args.figure}" is not known; accepted are {", ".join((*FIGURES, pruning.FIGURE))}')
    check_figure(args.figure, args.out)
    out = Path(args.out)
    machine, backend = Machine(args.jobs, args.threads), get_backend(args.backend).name
    figure = FIGURES[args.figure]
    settings = figure.settings(
        repeats=args.repeats,
        rank=args.rank,
        sparsity=args.sparsity,
        max_iter=args.max_iter,
        backend=backend,
        dtype=args.dtype,
    )
    dataset = None if figure.synthetic else arguments.load(_with_path(args))
    if figure.synthetic and args.data is not None:
        raise ValueError(f"{args.figure} draws its own data; --data is for the other figures")
    try:
        made = reproduce(args.figure, out, settings, dataset, machine, None if args.quiet else sys.stderr)
    except KeyboardInterrupt as stop:
        done = f"{stop.finished} of {stop.total} runs are" if isinstance(stop, Interrupted) else "all runs are"
        print(
            f"gsp-studio: interrupted; {done} finished and kept in {out / RUNS}, "
            "and the same command goes on from there",
            file=sys.stderr,
        )
        return INTERRUPTED
    print("\n".join(made.content.lines()))
    print(f"{', '.join(path.name for path in made.paths)} in {out}")
    return 0


def _with_path(args: argparse.Namespace) -> argparse.Namespace:
    from gsp_studio.io.resources import sample_path

    return argparse.Namespace(**{**vars(args), "path": args.data or sample_path("faces")})
