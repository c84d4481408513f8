"""The command line: ``gsp-studio [PATH]`` opens the app, ``gsp-studio fit`` and ``info`` work without Qt.

Exit codes: 0 done, 2 for input that cannot be used (one sentence on stderr), 130 after Ctrl-C (the best iterate is
kept and exported).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gsp_studio.engine.run import Intervention, RunSpec
    from gsp_studio.io.dataset import Dataset

# OpenBLAS's idle threads spin beside ours unless told not to, and read this once, when NumPy is imported.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "16")

BAD_INPUT = 2
INTERRUPTED = 130


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
        command: Callable[[argparse.Namespace], int] = args.command
        return command(args)
    except KeyboardInterrupt:  # before or after the run, which takes it as a cancellation
        print("gsp-studio: interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if not _is_about_input(error):
            raise
        print(f"gsp-studio: {error}", file=sys.stderr)
        return BAD_INPUT


def _is_about_input(error: Exception) -> bool:
    from gsp_studio.backends import BackendUnavailable

    return isinstance(error, (ValueError, OSError, BackendUnavailable))


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


def _shape(text: str) -> tuple[int, int]:
    height, times, width = text.lower().partition("x")
    if not (times and height.isdecimal() and width.isdecimal() and int(height) > 0 and int(width) > 0):
        raise argparse.ArgumentTypeError(f'image shape "{text}" is not HEIGHTxWIDTH, for example 19x19')
    return int(height), int(width)


def _folder(text: str) -> Path:
    if not text:  # which Path would take for the folder one is in
        raise argparse.ArgumentTypeError("the name of the export folder is empty")
    return Path(text)


def _add_fit(parser: argparse.ArgumentParser) -> None:
    from gsp_studio.core.nmf import METHODS
    from gsp_studio.io.extras import EXTRAS

    parser.add_argument("path", metavar="PATH", help="folder of images, .npy, .npz or .mat file")
    parser.add_argument("--method", default="psnmf", help=f"one of {', '.join(METHODS)} (psnmf)")
    parser.add_argument(
        "--out",
        type=_folder,
        required=True,
        metavar="DIR",
        help="folder; {data}, {method}, {rank}, {sparsity}, {seed}, {error} are filled in",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--also", type=_extras, default=(), metavar="LIST", help=f"more exports: {', '.join(EXTRAS)}")
    _add_model(parser)
    _add_solver(parser)
    _add_layout(parser)
    _add_machine(parser)
    parser.set_defaults(command=_fit)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rank", type=int, required=True, help="number of basis images")
    parser.add_argument("--sparsity", type=float, default=0.85, help="average Hoyer sparsity of the basis, 0 to 1")
    parser.add_argument("--max-iter", type=int, default=500, help="outer iterations (500)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the start (0)")


def _add_solver(parser: argparse.ArgumentParser) -> None:
    from gsp_studio.core.initialization import STARTS

    parser.add_argument(
        "--init", default="random", metavar="START", help=f"{', '.join(STARTS)}, or the folder of an exported run"
    )
    parser.add_argument("--sparsity-h", type=float, metavar="S", help="average sparsity of the coefficients' rows")
    parser.add_argument(
        "--continuation",
        type=int,
        nargs="?",
        const=-1,
        default=0,
        metavar="N",
        help="raise the target to its value over N iterations (two fifths of --max-iter): a lower error",
    )
    parser.add_argument("--weights", metavar="FILE", help="for wsnmf: what a pixel costs, a grey image or .npy")
    parser.add_argument("--mask", metavar="FILE", help="not 0 where a pixel (in a .npy like X: an entry) is missing")
    parser.add_argument("--max-seconds", type=float, metavar="T", help="stop after so much time computing")
    parser.add_argument("--tol", type=float, default=0.0, help="stop when 10 iterations gain less than this fraction")
    parser.add_argument("--kkt-tol", type=float, default=0.0, help="stop at this fraction of the gradient residual")
    parser.add_argument("--reseed-dead", action="store_true", help="start basis images that died anew")


def _add_layout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--image-shape", type=_shape, metavar="HxW", help="shape of an image, where vectors hide it")
    parser.add_argument("--order", choices=["C", "F"], help="how a vector fills its image: by rows (C), by columns (F)")
    parser.add_argument("--images-in", choices=["columns", "rows"], help="where a matrix keeps its images")
    parser.add_argument("--key", help="which array of a .npz or .mat file")
    parser.add_argument("--negative", choices=["clip", "shift", "abs"], help="what to do with negative values")
    parser.add_argument(
        "--step",
        action="append",
        type=_step,
        metavar="KIND:NAME=VALUE,...",
        help="something to do to the images, in the order given: resize:height=64,width=64,how=pad; crop:top=0,left=0,"
        "height=32,width=32; patches:height=8,width=8,count=10000; subtract:what=mean,per=pixel; normalize:by=norm; "
        "mask:path=FILE; nonnegative:negative=abs",
    )
    parser.add_argument(
        "--colour",
        choices=["grey", "rgb", "red", "green", "blue"],
        help="make images in colour grey, keep their colours, or read one of them",
    )
    parser.add_argument(
        "--subset",
        type=_subset,
        metavar="START:STOP:STEP",
        help="read a part of the images or frames, counted from 0; STOP is not read, STEP is 1",
    )
    parser.add_argument("--labels", metavar="KEY", help="which array of the file labels the images; none for no labels")
    parser.add_argument("--samples", choices=["images", "pixels"], help="pixels: factorize their spectra")
    parser.add_argument(
        "--storage", choices=["memory", "disk"], help="load the images, or leave them on the disk (large .npy do)"
    )
    parser.add_argument(
        "--nonfinite", choices=["zero", "drop"], help="NaN and infinite values: 0, or drop these images"
    )


def _add_machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dtype", choices=["float32", "float64"], help="compute in this type (the data's own)")
    parser.add_argument("--backend", default="auto", help="auto, cpu or reference (auto)")
    parser.add_argument("--threads", type=int, help="threads (all cores)")


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="folder of images, .npy, .npz or .mat file")
    parser.add_argument("--methods", default="ahals,psnmf", help="methods, separated by commas (ahals,psnmf)")
    _add_model(parser)
    _add_layout(parser)
    _add_machine(parser)
    parser.set_defaults(command=_compare)


def _add_repeat(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="run.json of an export, or the folder that holds it")
    parser.add_argument("--out", type=_folder, required=True, metavar="DIR", help="folder for the new exports")
    parser.add_argument("--data", metavar="PATH", help="where the data lie now, if they were moved")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(command=_repeat)


def _add_reproduce(parser: argparse.ArgumentParser) -> None:
    from gsp_studio.experiments.command import add_arguments, run

    add_arguments(parser)
    _add_layout(parser)
    _add_machine(parser)
    parser.set_defaults(command=lambda args: run(args, _load))


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_info)


_COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], str]] = {
    "fit": (_add_fit, "factorize a data set without a window and export the result"),
    "repeat": (_add_repeat, "repeat an exported run, steering included, and compare the factors bit by bit"),
    "compare": (_add_compare, "run several methods from the same start and print a table"),
    "reproduce": (_add_reproduce, "make a figure of the paper: its runs, the drawing and the numbers"),
    "info": (_add_info, "print versions, backends and where the caches lie"),
}


def _fit(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from gsp_studio.backends import get_backend
    from gsp_studio.core.nmf import Params, check_params
    from gsp_studio.engine.run import RunSpec
    from gsp_studio.io.export import check_directory, check_name
    from gsp_studio.io.pixels import read_mask, read_pixels

    check_name(str(args.out))  # before the work, not after it
    check_directory(str(args.out).partition("{")[0] or ".")
    get_backend(args.backend, args.threads)
    params = Params(
        args.rank,
        args.method,
        args.sparsity,
        args.seed,
        args.max_iter,
        init=_start(args.init),
        sparsity_h=args.sparsity_h,
        continuation=2 * args.max_iter // 5 if args.continuation == -1 else args.continuation,
        max_seconds=args.max_seconds,
        tol=args.tol,
        kkt_tol=args.kkt_tol,
        reseed_dead=args.reseed_dead,
    )
    if args.weights is None:
        check_params(params, sys.maxsize, sys.maxsize)  # all that can be said without the data
    dataset = _load(args)
    if args.weights is not None:
        params = replace(params, weights=read_pixels(args.weights, dataset))
    check_params(params, *dataset.X.shape)
    mask = None if args.mask is None else read_mask(args.mask, dataset)
    return _run_and_export(RunSpec(dataset.X, params, args.backend, args.threads, mask), dataset, args)


def _start(init: str) -> Any:
    """A start's name, or the factors (W, H) of an exported run."""
    from gsp_studio.core.initialization import STARTS
    from gsp_studio.io.export import read_factors

    return init if init in STARTS or not Path(init).exists() else read_factors(init)


def _run_and_export(
    spec: RunSpec, dataset: Dataset, args: argparse.Namespace, replay: Sequence[Intervention] = ()
) -> int:
    from gsp_studio.engine.progress import ProgressBar
    from gsp_studio.engine.run import FinishReason
    from gsp_studio.engine.runner import Runner
    from gsp_studio.io.export import What, export_run, named

    bar = ProgressBar(spec.params.max_iter, sys.stderr, enabled=not args.quiet)
    outcome = Runner(spec, replay).run(bar.show)
    bar.close()
    if outcome.reason is FinishReason.FAILED:
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
    run = outcome.exported(spec)
    args.out = out = Path(named(str(args.out), dataset, run))
    paths = export_run(out, dataset, run, What(extras=tuple(getattr(args, "also", ()))))
    print(
        f"error {100 * result.error:.3f} %  sparsity {result.sparsity:.4f}  "
        f"{result.n_iter} iterations in {result.history.seconds[-1]:.2f} s, {outcome.reason.value}  ({result.backend})"
    )
    if result.dead:
        many = f"{len(result.dead)} basis images are" if len(result.dead) > 1 else "1 basis image is"
        print(f"gsp-studio: {many} dead (zero, or used by no image); try --reseed-dead", file=sys.stderr)
    print(f"{len(paths)} files in {out}")
    return INTERRUPTED if outcome.reason is FinishReason.CANCELLED else 0


def _repeat(args: argparse.Namespace) -> int:
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
    spec = RunSpec(dataset.X, start, run.backend, run.threads, run.mask)
    code = _run_and_export(spec, dataset, args, replay)
    folder = args.run if args.run.is_dir() else args.run.parent
    if code == 0 and (folder / "factors.npz").exists():
        same = same_factors(folder / "factors.npz", args.out / "factors.npz")
        print("the factors are the same to the last bit" if same else "the factors differ from the exported ones")
    return code


def _extras(text: str) -> tuple[str, ...]:
    from gsp_studio.io.extras import EXTRAS

    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in EXTRAS:
            raise argparse.ArgumentTypeError(f'"{name}" is no export; accepted are {", ".join(EXTRAS)}')
    return names


def _subset(text: str) -> tuple[int, int, int]:
    parts = text.split(":")
    if not 2 <= len(parts) <= 3 or not all(part.isdecimal() for part in parts if part) or parts[2:] == [""]:
        raise argparse.ArgumentTypeError(f'subset "{text}" is not START:STOP:STEP, for example 0:1000 or 0:1000:2')
    start, stop = int(parts[0] or 0), int(parts[1]) if parts[1] else sys.maxsize
    return start, stop, int(parts[2]) if len(parts) == 3 else 1


def _step(text: str) -> dict[str, Any]:
    """A step as the command line has it; what is wrong with it is said when it is used."""
    kind, _, rest = text.partition(":")
    step: dict[str, Any] = {"kind": kind}
    for part in filter(None, rest.split(",")):
        name, _, value = part.partition("=")
        step[name] = int(value) if value.lstrip("-").isdigit() else value
    return step


def _load(args: argparse.Namespace) -> Dataset:
    from gsp_studio.io.readers import load_dataset

    dataset = load_dataset(
        args.path,
        image_shape=args.image_shape,
        order=args.order,
        images_in=args.images_in,
        key=args.key,
        negative=args.negative,
        nonfinite=args.nonfinite,
        colour=args.colour,
        subset=args.subset,
        labels="" if args.labels == "none" else args.labels,
        samples=args.samples,
        storage=args.storage,
        steps=args.step or (),
        dtype=args.dtype,
    )
    height, width = dataset.image_shape
    colour = " in colour" if dataset.channels == 3 else ""
    print(
        f"{dataset.name}: {dataset.X.shape[1]} images of {height} x {width}{colour}, {dataset.X.dtype}, "
        f"order {dataset.order}",
        file=sys.stderr,
    )
    return dataset


def _compare(args: argparse.Namespace) -> int:
    from gsp_studio.backends import get_backend
    from gsp_studio.core.nmf import Params, check_params
    from gsp_studio.experiments.compare import Comparison, compare

    methods = [name.strip() for name in args.methods.split(",")]
    runs = [Params(args.rank, name, args.sparsity, args.seed, args.max_iter) for name in methods]
    dataset = _load(args)
    for params in runs:
        check_params(params, *dataset.X.shape)

    def show(row: Comparison) -> None:
        each = 1e3 * row.seconds / len(row.history.n_iter)
        print(
            f"{row.label:10} {100 * row.error:9.3f} % {row.sparsity:9.4f} {row.least_sparsity:9.4f} "
            f"{row.seconds:9.2f} s {each:9.2f} ms",
            flush=True,
        )

    print(f"{'method':10} {'error':>11} {'sparsity':>9} {'least':>9} {'time':>11} {'iteration':>12}")
    compare(dataset.X, runs, get_backend(args.backend, args.threads), on_done=show)
    return 0


def _info(args: argparse.Namespace) -> int:
    from gsp_studio import __version__
    from gsp_studio.backends import available_backends, get_backend
    from gsp_studio.io.export import software_versions

    print(f"gsp-studio {__version__}")
    for name, version in software_versions().items():
        print(f"  {name} {version}")
    for name, reason in available_backends().items():
        print(f"backend {name}: {reason or get_backend(name).device}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
