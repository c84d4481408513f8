"""The command line: ``gsp-studio [PATH]`` opens the app, the commands work without Qt.

Exit codes: 0 done, 2 for input that cannot be used (one sentence on stderr), 130 after Ctrl-C (the best iterate is
kept and exported), 141 when the reader of its output has gone, 1 for an error of the program (details in the log).
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import io
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gsp_studio.commands import arguments
from gsp_studio.commands.exit_codes import BAD_INPUT, BROKEN_PIPE, INTERRUPTED, MISTAKE, is_about_input
from gsp_studio.commands.fit import add_fit, add_repeat
from gsp_studio.io.error_text import describe_error

# Idle threads of OpenBLAS spin beside the solver's by default; this is read once, when NumPy is imported.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "16")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; without a command's name, open the app."""
    is_process = argv is None
    argv = list(sys.argv[1:] if argv is None else argv)
    _prepare_streams()
    if not argv or argv[0] not in {*_COMMANDS, "-h", "--help", "--version"}:
        return _misspelt(argv) or _open_app(argv)
    code = _one_sentence(argv)
    if is_process:
        with contextlib.suppress(ValueError):  # another thread's
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done, and said; a late Ctrl-C has nothing to stop
    if code == INTERRUPTED:
        # An interrupt that hit text being executed, as imports do, makes CPython end itself by the signal at exit, even
        # when it was caught. Executing any text clears that, and the exit code above is kept.
        exec("")
    return code


def _prepare_streams() -> None:
    """Let closed streams take all output, and escape letters that an encoding lacks."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _one_sentence(argv: list[str]) -> int:
    """Run a command; errors of its input become one sentence on stderr and exit code 2."""
    args = argparse.Namespace()
    try:
        _parser().parse_args(argv, args)
        from gsp_studio.io.logfile import log_folder, logged_into

        with logged_into(log_folder()) as log:
            code = _run_logged(args, argv, log)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # as of `gsp-studio info | head -1`: the reader has gone
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:  # before or after the run, which takes it as a cancellation
        if not getattr(args, "is_written", False):
            print("gsp-studio: interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED


def _run_logged(args: argparse.Namespace, argv: list[str], log: Path | None) -> int:
    from gsp_studio.io.logfile import LOG

    LOG.info("gsp-studio %s", shlex.join(argv))
    command: Callable[[argparse.Namespace], int] = args.command
    try:
        return command(args)
    except BrokenPipeError:
        raise
    except Exception as error:
        if not is_about_input(error):
            LOG.exception("error of the program")
            if log is None:  # without a log, the traceback is the only record
                raise
            print(
                f"gsp-studio: GSP Studio made a mistake ({type(error).__name__}: {error}); see {log}", file=sys.stderr
            )
            return MISTAKE
        LOG.error("%s", error, exc_info=True)
        print(f"gsp-studio: {describe_error(error)}", file=sys.stderr)
        return BAD_INPUT


def _misspelt(argv: list[str]) -> int:
    """Report a word that is neither a command nor the path of anything; return the exit code, 0 for a path."""
    word = argv[0] if argv else "-"
    with contextlib.suppress(OSError, ValueError):
        if word.startswith("-") or Path(word).exists():
            return 0
    close = difflib.get_close_matches(word.lower(), _COMMANDS, 1)
    if not close and (Path(word).name != word or Path(word).suffix):
        return 0  # a path: the app says that it is not there
    meant = f'did you mean "{close[0]}"?' if close else f"accepted are {', '.join(_COMMANDS)}, and the PATH of data"
    print(f'gsp-studio: no such command: "{word}"; {meant}', file=sys.stderr)
    return BAD_INPUT


def _open_app(argv: list[str]) -> int:
    from gsp_studio.gui.app import main as open_window

    return open_window(argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gsp-studio",
        description="Take image data apart into parts: sparse NMF with one number for the sparsity of the basis.",
        allow_abbrev=False,
        epilog="Without a command, gsp-studio [PATH] opens the app; gsp-studio --demo DIR shows it once and exits.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (add_arguments, summary) in _COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, description=summary, allow_abbrev=False, formatter_class=arguments.HelpFormatter
        )
        add_arguments(command)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from gsp_studio import __version__

        print(f"gsp-studio {__version__}")
        parser.exit()


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a data set; or several exported runs")
    parser.add_argument("--json", action="store_true", help="of exported runs: the comparison as JSON on stdout")
    parser.add_argument("--methods", default="ahals,psnmf", help="methods, separated by commas")
    arguments.add_model(parser)
    arguments.add_layout(parser)
    arguments.add_machine(parser)
    parser.set_defaults(command=_compare)


def _add_rank(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="data set")
    parser.add_argument(
        "--ranks",
        type=arguments.ranks,
        default=tuple(range(2, 13)),
        metavar="A:B:STEP",
        help="ranks to try, B left out; or A,B,C (2:13)",
    )
    parser.add_argument("--seeds", type=int, default=5, help="fits of each rank to all data")
    parser.add_argument("--method", default="ahals", help="as for fit")
    parser.add_argument("--sparsity", type=float, default=0.85, help="target of methods that have one")
    parser.add_argument("--max-iter", type=int, default=100, help="iterations of each fit")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--json", action="store_true", help="the study as JSON on stdout")
    arguments.add_layout(parser)
    arguments.add_machine(parser)
    parser.set_defaults(command=_rank)


def _add_reproduce(parser: argparse.ArgumentParser) -> None:
    from gsp_studio.commands.reproduce import add_arguments
    from gsp_studio.pruning import reproduce as pruning

    add_arguments(parser, also=(pruning.FIGURE,))
    pruning.add_arguments(parser)
    arguments.add_layout(parser)
    arguments.add_machine(parser)
    parser.set_defaults(command=_reproduce)


def _add_prune(parser: argparse.ArgumentParser) -> None:
    from gsp_studio.commands.prune import add_arguments, run

    add_arguments(parser)
    parser.set_defaults(command=run)


def _add_sweep(parser: argparse.ArgumentParser) -> None:
    from gsp_studio.commands.sweep import add_arguments, run

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
    "fit": (add_fit, "factorize a data set without a window and export the result"),
    "repeat": (add_repeat, "repeat an exported run, steering included, and compare the factors bit by bit"),
    "compare": (_add_compare, "run several methods from the same start and print a table"),
    "rank": (_add_rank, "cross-validate ranks, see how stable their parts are, and suggest one"),
    "sweep": (_add_sweep, "do the runs of all ranks with all sparsities and seeds; finished ones are kept"),
    "reproduce": (_add_reproduce, "make a figure of the paper: its runs, the drawing and the numbers"),
    "prune": (_add_prune, "project the weights of a trained network and write it once more"),
    "info": (_add_info, "print versions, backends and where the caches lie"),
}


def _reproduce(args: argparse.Namespace) -> int:
    from gsp_studio.commands import reproduce as figures
    from gsp_studio.experiments.figures import FIGURES
    from gsp_studio.pruning import reproduce as pruning

    if args.figure not in (*FIGURES, pruning.FIGURE):
        raise ValueError(f'figure "{args.figure}" is not known; accepted are {", ".join((*FIGURES, pruning.FIGURE))}')
    run = pruning.run if args.figure == pruning.FIGURE else figures.run
    return run(args, arguments.load)


def _compare(args: argparse.Namespace) -> int:
    from gsp_studio.commands.compare import run

    return run(args, arguments.load)


def _rank(args: argparse.Namespace) -> int:
    from gsp_studio.commands.rank import run

    return run(args, arguments.load)


def _info(args: argparse.Namespace) -> int:
    from gsp_studio import __version__
    from gsp_studio.backends import available_backends, get_backend, reason_of
    from gsp_studio.io.versions import software_versions

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
    for what, place in _places().items():
        print(f"{what}: {place}")
    return 0


def _places() -> dict[str, Path | str]:
    """Folders of the program's own files."""
    from gsp_studio.backends.cpu.compiling import cache_folder
    from gsp_studio.io.logfile import NAME, log_folder, recovery_folder, sweeps_folder

    kernels = cache_folder()
    return {
        "cache of compiled kernels": "none, as no folder for it can be written" if kernels is None else kernels,
        "work that was not saved": recovery_folder(),
        "finished runs of sweeps": sweeps_folder(),
        "log": log_folder() / NAME,
    }


if __name__ == "__main__":
    sys.exit(main())
