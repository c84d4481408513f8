"""The command line: ``gsp-studio [PATH]`` opens the app, ``gsp-studio fit`` and ``info`` work without Qt.

Exit codes: 0 done, 2 for input that cannot be used (one sentence on stderr), 130 after Ctrl-C (the best iterate is
kept and exported), 1 for a mistake of ours, with its details in the log.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gsp_studio import arguments

if TYPE_CHECKING:
    from gsp_studio.engine.run import Intervention, RunSpec
    from gsp_studio.io.dataset import Dataset

# OpenBLAS's idle threads spin beside ours unless told not to, and read this once, when NumPy is imported.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "16")

MISTAKE, BAD_INPUT, INTERRUPTED = 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; without a command's name, open the app."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] not in {*_COMMANDS, "-h", "--help", "--version"}:
        return _open_app(argv)
    code = _one_sentence(argv)
    if code == INTERRUPTED:
        # An interrupt that hit text being executed, as imports do, makes CPython end itself by the signal at exit, even
        # when it was caught. Executing any text clears that: the exit code is ours.
        exec("")
    return code


def _one_sentence(argv: list[str]) -> int:
    """Run a command; what its input makes impossible becomes one sentence on stderr and exit code 2."""
    try:
        args = _parser().parse_args(argv)
        from gsp_studio.io.logfile import log_folder, logged_into

        with logged_into(log_folder()) as log:
            return _run_logged(args, argv, log)
    except KeyboardInterrupt:  # before or after the run, which takes it as a cancellation
        print("gsp-studio: interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED


def _run_logged(args: argparse.Namespace, argv: list[str], log: Path | None) -> int:
    from gsp_studio.io.logfile import LOG

    LOG.info("gsp-studio %s", shlex.join(argv))
    command: Callable[[argparse.Namespace], int] = args.command
    try:
        return command(args)
    except Exception as error:
        if not _is_about_input(error):
            LOG.exception("a mistake of ours")
            if log is None:  # nobody could read it anywhere else
                raise
            print(
                f"gsp-studio: GSP Studio made a mistake ({type(error).__name__}: {error}); see {log}", file=sys.stderr
            )
            return MISTAKE
        LOG.error("%s", error, exc_info=True)
        print(f"gsp-studio: {error}", file=sys.stderr)
        return BAD_INPUT


def _is_about_input(error: Exception) -> bool:
    from gsp_studio.backends import BackendUnavailable, OutOfDeviceMemory
    from gsp_studio.core.workers import ClusterError

    return isinstance(error, (ValueError, OSError, BackendUnavailable, OutOfDeviceMemory, ClusterError))


def _open_app(argv: list[str]) -> int:
    from gsp_studio.gui.app import main as open_window

    return open_window(argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gsp-studio",
        description="Take image data apart into parts: sparse NMF with one number for the sparsity of the basis.",
        epilog="Without a command, gsp-studio [PATH] opens the app; gsp-studio --demo DIR shows it once and exits.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (add_arguments, summary) in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        add_arguments(command)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from gsp_studio import __version__

        print(f"gsp-studio {__version__}")
        parser.exit()


def _add_fit(parser: argparse.ArgumentParser) -> None:
    from gsp_studio.core.nmf import METHODS
    from gsp_studio.io.extras import EXTRAS

    parser.add_argument("paths", nargs="*", metavar="PATH", help="data sets: folders, archives, .npy, .mat, ... files")
    parser.add_argument("--config", type=Path, metavar="RUN", help="repeat this run.json, steering included")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each run on stdout, words on stderr")
    parser.add_argument("--method", default="psnmf", help=f"one of {', '.join(METHODS)} (psnmf)")
    parser.add_argument(
        "--out",
        type=arguments.folder,
        required=True,
        metavar="DIR",
        help="folder; {data}, {method}, {rank}, {sparsity}, {seed}, {error} are filled in",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument(
        "--also", type=arguments.extras, default=(), metavar="LIST", help=f"more exports: {', '.join(EXTRAS)}"
    )
    parser.add_argument("--zoom", type=int, metavar="N", help="of figures: a pixel becomes N x N (as fits the image)")
    parser.add_argument("--white", choices=("tile", "shared"), default="tile", help="of figures: per tile, or shared")
    arguments.add_model(parser)
    arguments.add_solver(parser)
    arguments.add_layout(parser)
    arguments.add_machine(parser)
    arguments.add_cluster(parser)
    parser.set_defaults(command=_fit)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a data set; or several exported runs")
    parser.add_argument("--json", action="store_true", help="of exported runs: the comparison as JSON on stdout")
    parser.add_argument("--methods", default="ahals,psnmf", help="methods, separated by commas (ahals,psnmf)")
    arguments.add_model(parser)
    arguments.add_layout(parser)
    arguments.add_machine(parser)
    parser.set_defaults(command=_compare)


def _add_rank(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="data set")
    parser.add_argument("--ranks", type=arguments.ranks, default=tuple(range(2, 13)), metavar="A:B:STEP", help="2:13")
    parser.add_argument("--seeds", type=int, default=5, help="fits of each rank to all data (5)")
    parser.add_argument("--method", default="ahals", help="as for fit (ahals)")
    parser.add_argument("--sparsity", type=float, default=0.85, help="of methods that have a target")
    parser.add_argument("--max-iter", type=int, default=100, help="iterations of each fit (100)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--json", action="store_true", help="the study as JSON on stdout")
    arguments.add_layout(parser)
    arguments.add_machine(parser)
    parser.set_defaults(command=_rank)


def _add_repeat(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="run.json of an export, or the folder that holds it")
    parser.add_argument("--out", type=arguments.folder, required=True, metavar="DIR", help="folder for the new exports")
    parser.add_argument("--data", metavar="PATH", help="where the data lie now, if they were moved")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    arguments.add_scheduler(parser)
    parser.set_defaults(command=_repeat)


def _add_reproduce(parser: argparse.ArgumentParser) -> None:
    from gsp_studio.experiments.command import add_arguments
    from gsp_studio.pruning import reproduce as pruning

    add_arguments(parser, also=(pruning.FIGURE,))
    pruning.add_arguments(parser)
    arguments.add_layout(parser)
    arguments.add_machine(parser)
    parser.set_defaults(command=_reproduce)


def _add_prune(parser: argparse.ArgumentParser) -> None:
    from gsp_studio.pruning.command import add_arguments, run

    add_arguments(parser)
    parser.set_defaults(command=run)


def _add_sweep(parser: argparse.ArgumentParser) -> None:
    from gsp_studio.experiments.sweep_command import add_arguments, run

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
    add_arguments(parser)
    arguments.add_solver(parser)
    arguments.add_layout(parser)
    arguments.add_machine(parser)
    parser.set_defaults(command=lambda args: run(args, arguments.load, arguments.solver_fields))


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_info)


_COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], str]] = {
    "fit": (_add_fit, "factorize a data set without a window and export the result"),
    "repeat": (_add_repeat, "repeat an exported run, steering included, and compare the factors bit by bit"),
    "compare": (_add_compare, "run several methods from the same start and print a table"),
    "rank": (_add_rank, "cross-validate ranks, see how stable their parts are, and suggest one"),
    "sweep": (_add_sweep, "do the runs of all ranks with all sparsities and seeds; finished ones are kept"),
    "reproduce": (_add_reproduce, "make a figure of the paper: its runs, the drawing and the numbers"),
    "prune": (_add_prune, "project the weights of a trained network and write it once more"),
    "info": (_add_info, "print versions, backends and where the caches lie"),
}


def _fit(args: argparse.Namespace) -> int:
    """Every data set in turn; one that fails is told, and the others go on."""
    from gsp_studio.io.logfile import LOG

    if args.config is not None:
        if len(args.paths) > 1:
            raise ValueError("--config repeats one run; accepted is one PATH, that of its data where they were moved")
        args.run, args.data = args.config, args.paths[0] if args.paths else None
        return _repeat(args)
    if not args.paths or args.rank is None:
        raise ValueError("fit needs a PATH and --rank, or --config with a run.json")
    several = len(args.paths) > 1
    if several and "{" not in str(args.out):
        args.out = args.out / "{data}"
    template, failed = args.out, 0
    for path in args.paths:
        args.path, args.out = path, template
        try:
            code = _fit_one(args)
        except Exception as error:
            if not several or not _is_about_input(error):
                raise
            failed += 1
            LOG.error("%s", error, exc_info=True)
            print(f"gsp-studio: {error}", file=sys.stderr)
            if args.json:
                print(json.dumps({"source": path, "problem": str(error)}), flush=True)
            continue
        if code:
            return code
    if failed:
        print(f"gsp-studio: {failed} of {len(args.paths)} data sets could not be factorized", file=sys.stderr)
    return BAD_INPUT if failed else 0


def _fit_one(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from gsp_studio.backends import get_backend
    from gsp_studio.core.nmf import Params, check_params
    from gsp_studio.engine.run import RunSpec
    from gsp_studio.io.export import check_directory, check_name
    from gsp_studio.io.pixels import read_mask, read_pixels

    check_name(str(args.out))  # before the work, not after it
    check_directory(str(args.out).partition("{")[0] or ".")
    if args.scheduler:
        arguments.prepare_cluster(args)
    else:
        get_backend(args.backend, args.threads)
    params = Params(args.rank, sparsity=args.sparsity, seed=args.seed, **arguments.solver_fields(args))
    if args.weights is None:
        check_params(params, sys.maxsize, sys.maxsize)  # all that can be said without the data
    dataset = arguments.load(args)
    if args.weights is not None:
        params = replace(params, weights=read_pixels(args.weights, dataset))
    check_params(params, *dataset.X.shape)
    mask = None if args.mask is None else read_mask(args.mask, dataset)
    where = {"fingerprint": dataset.fingerprint, "scheduler": args.scheduler}
    return _run_and_export(RunSpec(dataset.X, params, args.backend, args.threads, mask, **where), dataset, args)


def _run_and_export(
    spec: RunSpec, dataset: Dataset, args: argparse.Namespace, replay: Sequence[Intervention] = ()
) -> int:
    from gsp_studio.engine.progress import ProgressBar
    from gsp_studio.engine.run import FinishReason
    from gsp_studio.engine.runner import Runner
    from gsp_studio.io.export import What, describe, export_run, named
    from gsp_studio.io.logfile import LOG
    from gsp_studio.io.runfile import summary_of

    bar = ProgressBar(spec.params.max_iter, sys.stderr, enabled=not args.quiet)
    outcome = Runner(spec, replay).run(bar.show)
    bar.close()
    if outcome.reason is FinishReason.FAILED and (outcome.result is None or not spec.scheduler):
        raise ValueError(outcome.error_text)
    if outcome.result is None:
        print("gsp-studio: interrupted before the first iteration; nothing to keep", file=sys.stderr)
        return INTERRUPTED
    result = outcome.result
    if outcome.reason is FinishReason.CANCELLED:
        print(
            f"gsp-studio: interrupted after {result.n_iter} iterations; "
            f"the best one ({result.best_iter}) is kept and exported",
            file=sys.stderr,
        )
    if outcome.reason is FinishReason.FAILED:
        print(
            f"gsp-studio: {outcome.error_text}; the best iterate ({result.best_iter} of {result.n_iter}) is kept and "
            "exported",
            file=sys.stderr,
        )
    run = outcome.exported(spec)
    args.out = out = Path(named(str(args.out), dataset, run))
    look = {"extras": args.also, "zoom": args.zoom, "scale": args.white} if "also" in args else {}
    paths = export_run(out, dataset, run, What(**look, coefficients=getattr(args, "coefficients", None)))
    words = sys.stderr if getattr(args, "json", False) else sys.stdout
    if words is sys.stderr:
        print(json.dumps({"folder": str(out), **summary_of(describe(dataset, run, []))}), flush=True)
    print(
        f"error {100 * result.error:.3f} %  sparsity {result.sparsity:.4f}  "
        f"{result.n_iter} iterations in {result.history.seconds[-1]:.2f} s, {outcome.reason.value}  ({result.backend})",
        file=words,
    )
    if result.dead:
        many = f"{len(result.dead)} basis images are" if len(result.dead) > 1 else "1 basis image is"
        print(f"gsp-studio: {many} dead (zero, or used by no image); try --reseed-dead", file=sys.stderr)
    print(f"{len(paths)} files in {out}", file=words)
    LOG.info("%s: error %.3f %%, %d iterations, %s", out, 100 * result.error, result.n_iter, outcome.reason.value)
    return {FinishReason.CANCELLED: INTERRUPTED, FinishReason.FAILED: BAD_INPUT}.get(outcome.reason, 0)


def _repeat(args: argparse.Namespace) -> int:
    from gsp_studio.backends.backend import gives_same_bits
    from gsp_studio.engine.run import Intervention, RunSpec
    from gsp_studio.io.export import check_directory, read_run, same_factors
    from gsp_studio.io.readers import load_dataset

    check_directory(args.out)
    run = read_run(args.run)
    dataset = load_dataset(args.data or run.source, run.options)
    if dataset.fingerprint != run.fingerprint:
        raise ValueError(f"{dataset.source} is not the data of that run: its fingerprint differs; name the right ones")
    start, steering = run.as_done()
    replay = [Intervention(n, change) for n, steps in steering.items() for change in steps]
    spec = RunSpec(dataset.X, start, run.backend, run.threads, run.mask, dataset.fingerprint, args.scheduler)
    code = _run_and_export(spec, dataset, args, replay)
    folder = args.run if args.run.is_dir() else args.run.parent
    if code == 0 and (folder / "factors.npz").exists():
        same = same_factors(folder / "factors.npz", args.out / "factors.npz")
        words = sys.stderr if getattr(args, "json", False) else sys.stdout
        told = "the factors are the same to the last bit" if same else "the factors differ from the exported ones"
        devices = (run.content["backend"]["computed"], read_run(args.out).content["backend"]["computed"])
        of_cluster = (
            "" if same or all(map(gives_same_bits, devices)) else "; with GPUs or lost workers, equal to rounding"
        )
        print(told + of_cluster, file=words)
    return code


def _reproduce(args: argparse.Namespace) -> int:
    from gsp_studio.experiments import command as figures
    from gsp_studio.pruning import reproduce as pruning

    run = pruning.run if args.figure == pruning.FIGURE else figures.run
    return run(args, arguments.load)


def _compare(args: argparse.Namespace) -> int:
    from gsp_studio.experiments.compare_command import run

    return run(args, arguments.load)


def _rank(args: argparse.Namespace) -> int:
    from gsp_studio.experiments.rank_command import run

    return run(args, arguments.load)


def _info(args: argparse.Namespace) -> int:
    from gsp_studio import __version__
    from gsp_studio.backends import available_backends, get_backend, reason_of
    from gsp_studio.io.export import software_versions

    print(f"gsp-studio {__version__}")
    for name, version in software_versions().items():
        print(f"  {name} {version}")
    for name, problem in available_backends().items():
        if problem:
            print(f"backend {name}: not here, as {reason_of(problem)}")
            continue
        backend = get_backend(name)
        free = (
            ""
            if backend.remote is None
            else ", {:.1f} of {:.1f} GB free".format(*(b / 1e9 for b in backend.remote.memory()))
        )
        print(f"backend {name}: {backend.device}{free}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
