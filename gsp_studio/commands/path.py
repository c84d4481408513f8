"""``gsp-studio path``: the solved path, a factorization at each of many sparsities, and its figures."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsp_studio.commands import arguments
from gsp_studio.commands.entries import check_entries, entries_of
from gsp_studio.commands.exit_codes import BAD_INPUT, INTERRUPTED
from gsp_studio.io.error_text import describe_error

if TYPE_CHECKING:
    from gsp_studio.core.solved_path import PathWalk
    from gsp_studio.engine.interrupt import Interrupts
    from gsp_studio.experiments.path_points import PathPoints, PathSpec

#: The targets of the curve in the window.
_USUAL = "0.5:0.99:25"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``gsp-studio path``."""
    parser.add_argument("path", metavar="PATH", help="data set")
    parser.add_argument(
        "--sparsities",
        type=arguments.targets,
        default=arguments.targets(_USUAL),
        metavar="A:B:COUNT",
        help=f"so many targets from A to B, both among them; or A,B,C ({_USUAL})",
    )
    parser.add_argument("--out", type=arguments.folder, required=True, metavar="DIR", help="folder for the files")
    parser.add_argument("--force", action="store_true", help="replace another path or run that lies in the folder")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--json", action="store_true", help="the points as JSON on stdout, words on stderr")
    arguments.add_run(parser, without=("sparsity",))
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Solve a path, write it and return the exit code; Ctrl-C writes the points that are solved."""
    from gsp_studio.engine.interrupt import Interrupts
    from gsp_studio.experiments.path_files import can_draw
    from gsp_studio.experiments.path_points import PathPoints

    walk, spec = _prepare(args)
    if not can_draw():
        print(
            "gsp-studio: without matplotlib the curve is not drawn; accepted is pip install "
            '"gsp-studio[figures]", which adds it',
            file=sys.stderr,
        )
    with Interrupts() as interrupts:
        problem = _walk(walk, spec, args, interrupts)
        points = PathPoints(spec, walk.results())
        solved, total = len(points.results), len(spec.targets)
        if not solved and problem:
            raise ValueError(problem)
        if not solved:
            print("gsp-studio: interrupted before the first point; nothing to keep", file=sys.stderr)
            return INTERRUPTED
        if problem or interrupts.count:
            kept = f"the {solved} of {total} points that are solved are kept, and written now"
            print(f"gsp-studio: {problem or 'interrupted'}; {kept}", file=sys.stderr)
        is_there = _write(points, args)
        args.is_written = True
        return INTERRUPTED if interrupts.count else BAD_INPUT if problem or not is_there else 0


def _prepare(args: argparse.Namespace) -> tuple[PathWalk, PathSpec]:
    """The walk and all that it depends on; the arguments are checked before anything is computed or written."""
    from gsp_studio.backends import get_backend
    from gsp_studio.core.solved_path import PathWalk
    from gsp_studio.experiments.path_points import PathSpec
    from gsp_studio.io.atomic import ExportError
    from gsp_studio.io.export.run_folder import check_directory
    from gsp_studio.io.pixels import read_pixels

    if args.rank is None:
        raise ValueError("path needs --rank, the number of basis images")
    check_entries(args)
    check_directory(args.out)
    backend = get_backend(args.backend, args.threads).name
    params = arguments.params_of(args)
    if args.weights is None:
        PathWalk(params, args.sparsities, sys.maxsize, sys.maxsize)  # all that can be said without the data
    dataset = arguments.load(args)
    if args.weights is not None:
        params = replace(params, weights=read_pixels(args.weights, dataset))
    mask = entries_of(args, dataset)
    walk = PathWalk(params, args.sparsities, *dataset.X.shape)
    spec = PathSpec(dataset, params, walk.targets, backend, mask)
    if not args.force and _holds_another(args.out, spec):
        raise ExportError(f"{args.out} holds another run; choose another folder, or replace what is there with --force")
    return walk, spec


def _holds_another(folder: Path, spec: PathSpec, solved: int | None = None) -> bool:
    """Whether a folder holds something else than this path, or more points of it than are `solved`."""
    from gsp_studio.experiments.path_files import path_in

    there = path_in(folder)
    return there is not None and (there[0] != spec.key or (solved is not None and there[1] > solved))


def _walk(walk: PathWalk, spec: PathSpec, args: argparse.Namespace, interrupts: Interrupts) -> str:
    """Do the runs of a walk until its end or Ctrl-C; return why a run failed, in a sentence, or ""."""
    from gsp_studio.engine.progress import ProgressLine
    from gsp_studio.engine.run import FinishReason, Record, RunSpec
    from gsp_studio.engine.runner import Runner

    bar = ProgressLine(None if args.quiet else sys.stderr)
    failure = ""
    for params in walk.runs():

        def show(record: Record, most: int = params.max_iter) -> None:
            words = f"{walk.n_done + 1}/{walk.n_runs} runs  s {record.target:.4f}  error {100 * record.error:.3f} % "
            bar.write((walk.n_done + record.n_iter / most) / walk.n_runs, False, lambda: words)

        runner = Runner(RunSpec(spec.dataset.X, params, args.backend, args.threads, spec.mask))
        interrupts.watch(runner)
        outcome = runner.run(show)
        if outcome.reason is FinishReason.FAILED:
            failure = outcome.error_text
        if outcome.result is None or outcome.reason in (FinishReason.FAILED, FinishReason.CANCELLED):
            break
        walk.see(outcome.result)
    else:
        bar.write(1.0, True, lambda: f"{walk.n_runs}/{walk.n_runs} runs ")
    bar.close()
    return failure


def _plain(points: PathPoints, folder: Path) -> dict[str, Any]:
    """A path for --json: its folder, its method, and its points as run.json has them."""
    params = points.spec.params
    return {"folder": str(folder), "method": params.method, "max_iter": params.max_iter, **points.summary()}


def _write(points: PathPoints, args: argparse.Namespace) -> bool:
    """Write a path, elsewhere where its folder cannot be written; whether it lies where it was asked for."""
    from gsp_studio.experiments.path_files import write_path
    from gsp_studio.io.atomic import ExportError
    from gsp_studio.io.export.folder_names import free_folder
    from gsp_studio.io.logfile import LOG

    out: Path = args.out
    if not args.force and _holds_another(out, points.spec, len(points.results)):
        taken, out = out, free_folder(out)
        print(f"gsp-studio: {taken} holds more points, or another run; this one is written into {out}", file=sys.stderr)
    places: list[Callable[[], Path]] = [lambda: out, lambda: Path(tempfile.mkdtemp(prefix="gsp-studio-"))]
    first: Exception | None = None
    for place in places:
        if first is not None:
            print(f"gsp-studio: {describe_error(first)}; the path is kept elsewhere", file=sys.stderr)
        try:
            folder = place()
            paths = write_path(points, folder)
        except Exception as error:
            first = first or error
            continue
        words = sys.stderr if args.json else sys.stdout
        print("\n".join([*points.lines(), f"{len(paths)} files in {folder}"]), file=words)
        if args.json:
            print(json.dumps(_plain(points, folder)))
        for caution in points.cautions():
            print(f"gsp-studio: {caution}", file=sys.stderr)
        LOG.info("%s: %d points, %s", folder, len(points.results), points.words_of_knee())
        return first is None
    raise ExportError(f"{describe_error(first)}; the path is lost" if first is not None else "")
