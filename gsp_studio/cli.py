"""The command line: ``gsp-studio [PATH]`` opens the app, the commands work without Qt.

Exit codes: 0 done, 2 for input that cannot be used (one sentence on stderr), 130 after Ctrl-C (the best iterate is
kept and exported), 141 when the reader of its output has gone, 1 for an error of the program (details in the log).
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import importlib.util
import io
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gsp_studio.commands import apply, arguments, compare, fit, info, path, prune, rank, reproduce, sweep
from gsp_studio.commands.exit_codes import BAD_INPUT, BROKEN_PIPE, INTERRUPTED, MISTAKE, is_about_input
from gsp_studio.io.error_text import describe_error

# Idle threads of OpenBLAS spin beside the solver's by default; this is read once, when NumPy is imported.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "16")

#: Commands by name: the function that adds their arguments, and a line of help.
COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], str]] = {
    "fit": (fit.add_arguments, "factorize a data set without a window and export the result"),
    "repeat": (
        fit.add_repeat_arguments,
        "repeat an exported run, steering included, and compare the factors bit by bit",
    ),
    "compare": (compare.add_arguments, "run several methods from the same start and print a table"),
    "rank": (rank.add_arguments, "cross-validate ranks, see how stable their parts are, and suggest one"),
    "sweep": (sweep.add_arguments, "do the runs of all ranks with all sparsities and seeds; finished ones are kept"),
    "path": (path.add_arguments, "solve at many sparsities, each from its neighbours: error curve, montages, factors"),
    "apply": (apply.add_arguments, "find the coefficients of other images in the basis of an exported run"),
    "reproduce": (reproduce.add_arguments, "make a figure of the paper: its runs, the drawing and the numbers"),
    "prune": (prune.add_arguments, "project the weights of a trained network and write it once more"),
    "info": (info.add_arguments, "print versions, backends and where the caches lie"),
}
#: Packages of the extra "gui", which are looked for: to import all of them would hold up the first paint. The module
#: of Qt that tells whether its libraries load.
_WINDOW, _QT = ("PySide6", "pyqtgraph"), "PySide6.QtWidgets"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; without a command's name, open the app."""
    is_process = argv is None
    argv = list(sys.argv[1:] if argv is None else argv)
    _prepare_streams()
    if not argv or argv[0] not in {*COMMANDS, "-h", "--help", "--version"}:
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
            print(f"gsp-studio: internal error ({type(error).__name__}: {error}); see {log}", file=sys.stderr)
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
    close = difflib.get_close_matches(word.lower(), COMMANDS, 1)
    if not close and (Path(word).name != word or Path(word).suffix):
        return 0  # a path: the app says that it is not there
    meant = f'did you mean "{close[0]}"?' if close else f"accepted are {', '.join(COMMANDS)}, and the PATH of data"
    print(f'gsp-studio: no such command: "{word}"; {meant}', file=sys.stderr)
    return BAD_INPUT


def _open_app(argv: list[str]) -> int:
    try:
        for name in _WINDOW:
            if importlib.util.find_spec(name) is None:
                raise ModuleNotFoundError(name=name)
        importlib.import_module(_QT)
    except ImportError as error:
        print(f"gsp-studio: {_why_no_window(error)}", file=sys.stderr)
        return BAD_INPUT
    from gsp_studio.gui.app import main as open_window

    return open_window(argv)


def _why_no_window(error: ImportError) -> str:
    """Reason why there is no window: a package is missing, or libraries of the system that it loads."""
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").partition(".")[0]
        return (
            f'the window needs {package}, which is not installed; pip install "gsp-studio[gui]" adds it, '
            f"and {', '.join(COMMANDS)} work without"
        )
    return f"the window cannot start, as Qt does not load here: {error}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gsp-studio",
        description="Take image data apart into parts: sparse NMF with one number for the sparsity of the basis.",
        allow_abbrev=False,
        epilog="Without a command, gsp-studio [PATH] opens the app; gsp-studio --demo DIR shows it once and exits.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (add_arguments, summary) in COMMANDS.items():
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


if __name__ == "__main__":
    sys.exit(main())
