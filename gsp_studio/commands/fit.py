"""``gsp-studio fit`` and ``repeat``: runs without a window, exported. No computed result is lost on the way."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsp_studio.commands import arguments
from gsp_studio.commands.entries import check_entries, entries_of
from gsp_studio.commands.exit_codes import BAD_INPUT, INTERRUPTED, is_about_input
from gsp_studio.commands.proposals import proposed
from gsp_studio.io.error_text import describe_error

if TYPE_CHECKING:
    from gsp_studio.core.params import Params
    from gsp_studio.engine.run import Intervention, Outcome, RunSpec
    from gsp_studio.io.dataset import Dataset
    from gsp_studio.io.export.options import ExportOptions
    from gsp_studio.io.run_record import ExportedRun


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``gsp-studio fit``."""
    from gsp_studio.core.unit_spectra import UNITS
    from gsp_studio.io.export.formats import EXTRAS

    parser.add_argument("paths", nargs="*", metavar="PATH", help="data sets: folders, archives, .npy, .mat, ... files")
    parser.add_argument("--config", type=Path, metavar="RUN", help="repeat this run.json, steering included")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each run on stdout, words on stderr")
    parser.add_argument(
        "--out",
        type=arguments.folder,
        required=True,
        metavar="DIR",
        help="folder; {data}, {method}, {rank}, {sparsity}, {seed}, {error} are filled in",
    )
    _add_force(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument(
        "--also", type=arguments.extras, default=(), metavar="LIST", help=f"more exports: {', '.join(EXTRAS)}"
    )
    parser.add_argument(
        "--normalize",
        choices=tuple(UNITS),
        default="none",
        help="of the factors in --also: divide each basis image by its maximum, sum or Euclidean norm, and multiply "
        "its coefficients by it; factors.npz keeps them as they were computed",
    )
    parser.add_argument("--zoom", type=int, metavar="N", help="of figures: a pixel becomes N x N (as fits the image)")
    parser.add_argument("--white", choices=("tile", "shared"), default="tile", help="of figures: per tile, or shared")
    arguments.add_run(parser)
    arguments.add_seeds(parser)
    arguments.add_truth(parser)
    arguments.add_cluster(parser)
    parser.set_defaults(command=fit)


def add_repeat_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``gsp-studio repeat``."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run.json of an export, or the folder that holds it")
    parser.add_argument("--out", type=arguments.folder, required=True, metavar="DIR", help="folder for the new exports")
    parser.add_argument("--data", metavar="PATH", help="where the data lie now, if they were moved")
    _add_force(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    arguments.add_scheduler(parser)
    parser.set_defaults(command=repeat)


def _add_force(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="replace another run that lies in the folder")


def fit(args: argparse.Namespace) -> int:
    """Fit every data set in turn; a failure is reported, and the others go on."""
    from gsp_studio.io.logfile import LOG

    if args.config is not None:
        if len(args.paths) > 1:
            raise ValueError("--config repeats one run; accepted is one PATH, that of its data where they were moved")
        args.run, args.data = args.config, args.paths[0] if args.paths else None
        return repeat(args)
    if not args.paths or (args.rank is None and args.samples != "pixels"):
        raise ValueError("fit needs a PATH and --rank (proposed with --samples pixels), or --config with a run.json")
    several = len(args.paths) > 1
    if several and "{" not in str(args.out):
        args.out = args.out / "{data}"
    _check_apart(args)
    template, failed = args.out, 0
    for done, path in enumerate(args.paths):
        args.path, args.out = path, template
        try:
            code = _fit_one(args)
        except KeyboardInterrupt:
            if not done:
                raise
            print(f"gsp-studio: interrupted; {done} of {len(args.paths)} data sets are done", file=sys.stderr)
            return INTERRUPTED
        except Exception as error:
            if not several or not is_about_input(error):
                raise
            failed += 1
            LOG.error("%s", error, exc_info=True)
            print(f"gsp-studio: {describe_error(error)}", file=sys.stderr)
            if args.json:
                print(json.dumps({"source": path, "problem": describe_error(error)}), flush=True)
            continue
        if code:
            return code
    if failed:
        print(f"gsp-studio: {failed} of {len(args.paths)} data sets could not be factorized", file=sys.stderr)
    return BAD_INPUT if failed else 0


def _check_apart(args: argparse.Namespace) -> None:
    """Raise ValueError when two data sets would be exported into one folder."""
    from gsp_studio.io.export.folder_names import fill_template, name_of_data

    taken: dict[str, str] = {}
    for path in args.paths:
        folder = fill_template(str(args.out), {**_places(args), "data": name_of_data(path), "error": "error"})
        place = os.path.abspath(folder).casefold()  # on some disks capitals make no difference
        if place in taken:
            raise ValueError(
                f"{taken[place]} and {path} would both be exported into {folder}; "
                "fit them one by one, each with its own --out"
            )
        taken[place] = path


def _places(args: argparse.Namespace) -> dict[str, Any]:
    """Values for the placeholders of a folder's name, as far as they are known before the data."""
    return {"method": args.method, "rank": args.rank, "sparsity": f"{args.sparsity:g}", "seed": args.seed}


def _fit_one(args: argparse.Namespace) -> int:
    from gsp_studio.backends import get_backend
    from gsp_studio.core.nmf import check_params
    from gsp_studio.engine.run import RunSpec
    from gsp_studio.io.export.folder_names import check_name
    from gsp_studio.io.export.run_folder import check_directory
    from gsp_studio.io.pixels import read_pixels

    check_entries(args)
    if args.normalize != "none":
        _check_normalized(args.also)
    check_name(str(args.out))  # before the work, not after it
    check_directory(str(args.out).partition("{")[0] or ".")
    if args.scheduler:
        arguments.prepare_cluster(args)
    else:
        get_backend(args.backend, args.threads)
    params = arguments.params_of(args, rank=1 if args.rank is None else args.rank)
    if args.weights is None:
        check_params(params, sys.maxsize, sys.maxsize)  # all that can be said without the data
    dataset = arguments.load(args)
    params = _with_proposal(params, dataset, args)
    if args.weights is not None:
        params = replace(params, weights=read_pixels(args.weights, dataset))
    params = arguments.seeded(params, args, dataset)
    check_params(params, *dataset.X.shape)
    args.reference = arguments.truth_of(args, dataset)
    mask = entries_of(args, dataset)
    where = {"fingerprint": dataset.fingerprint, "scheduler": args.scheduler}
    spec = RunSpec(dataset.X, params, args.backend, args.threads, mask, **where)
    return _run_and_export(spec, dataset, args, _places(args))


def _check_normalized(extras: Sequence[str]) -> None:
    """Raise ValueError when none of these exports has factors, which --normalize scales."""
    from gsp_studio.io.export.formats import EXTRAS

    known = [name for name, extra in EXTRAS.items() if extra.holds_factors]
    if not set(known) & set(extras):
        raise ValueError(
            "--normalize scales the factors in the files of --also; name these, as in --also spectra,maps: "
            f"accepted are {', '.join(known)}"
        )


def _with_proposal(params: Params, dataset: Dataset, args: argparse.Namespace) -> Params:
    """Parameters with those that are proposed for spectra where the user gave none, which is said."""
    found = proposed(args, dataset, [params.method])
    if found:
        params = replace(params, **found)
        args.rank, args.sparsity = params.rank, params.sparsity
    return params


def repeat(args: argparse.Namespace) -> int:
    """Repeat an exported run and compare the factors bit by bit."""
    from gsp_studio.backends.backend import gives_same_bits
    from gsp_studio.engine.run import Intervention, RunSpec
    from gsp_studio.io.export.run_folder import check_directory
    from gsp_studio.io.factors import same_factors
    from gsp_studio.io.readers import load_dataset
    from gsp_studio.io.run_json import read_run

    check_directory(args.out)
    run = read_run(args.run)
    folder = args.run if args.run.is_dir() else args.run.parent
    if args.out.exists() and os.path.samefile(folder, args.out):
        raise ValueError(f"{args.out} holds the run that is repeated; accepted is another folder, to compare the two")
    dataset = load_dataset(args.data or run.source, run.options)
    if dataset.fingerprint != run.fingerprint:
        raise ValueError(f"{dataset.source} is not the data of that run: its fingerprint differs; name the right ones")
    start, steering = run.as_done()
    replay = [Intervention(n, change) for n, steps in steering.items() for change in steps]
    spec = RunSpec(dataset.X, start, run.backend, run.threads, run.mask, dataset.fingerprint, args.scheduler)
    code = _run_and_export(spec, dataset, args, {}, replay)
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


def _run_and_export(
    spec: RunSpec,
    dataset: Dataset,
    args: argparse.Namespace,
    places: Mapping[str, Any],
    replay: Sequence[Intervention] = (),
) -> int:
    from gsp_studio.engine.interrupt import Interrupts
    from gsp_studio.engine.progress import ProgressBar
    from gsp_studio.engine.run import FinishReason
    from gsp_studio.engine.runner import Runner
    from gsp_studio.io.atomic import ExportError
    from gsp_studio.io.export.folder_names import fill_template, holds_another, name_of
    from gsp_studio.io.export.run_folder import check_directory

    template = str(args.out)
    if "{error}" not in template:  # else it is known when the run has ended
        folder = Path(fill_template(template, {**places, "data": name_of(dataset)}))
        check_directory(folder)
        another = "" if args.force else holds_another(folder, spec.record(replay))
        if another:
            raise ExportError(f"{folder} holds {another}; choose another folder, or replace that run with --force")
    with Interrupts() as interrupts:
        bar = ProgressBar(spec.params.max_iter, None if args.quiet else sys.stderr)
        runner = Runner(spec, replay)
        interrupts.watch(runner)
        outcome = runner.run(bar.show)
        bar.close()
        if outcome.reason is FinishReason.FAILED and outcome.result is None:
            raise ValueError(outcome.error_text)
        if outcome.result is None:
            print("gsp-studio: interrupted before the first iteration; nothing to keep", file=sys.stderr)
            return INTERRUPTED
        _tell_ending(outcome)
        code = _export(outcome, spec, dataset, args)
        args.is_written = True
        return INTERRUPTED if interrupts.count else code


def _tell_ending(outcome: Outcome) -> None:
    from gsp_studio.engine.run import FinishReason

    result = outcome.result
    assert result is not None
    if outcome.reason is FinishReason.CANCELLED:
        print(
            f"gsp-studio: interrupted after {result.n_iter} iterations; "
            f"the best one ({result.best_iter}) is kept, and written now",
            file=sys.stderr,
        )
    if outcome.reason is FinishReason.FAILED:
        print(
            f"gsp-studio: {outcome.error_text}; the best iterate ({result.best_iter} of {result.n_iter}) is kept, and "
            "written now",
            file=sys.stderr,
        )


def _export(outcome: Outcome, spec: RunSpec, dataset: Dataset, args: argparse.Namespace) -> int:
    from gsp_studio.core.diagnosis import cautions_of
    from gsp_studio.core.methods import error_name
    from gsp_studio.core.truth import compare_with_truth
    from gsp_studio.engine.run import FinishReason
    from gsp_studio.io.export.folder_names import folder_name, free_folder, holds_another
    from gsp_studio.io.export.options import ExportOptions
    from gsp_studio.io.logfile import LOG
    from gsp_studio.io.run_json import describe, summary_of
    from gsp_studio.io.truth_file import describe_agreement, lines_of

    run = outcome.exported(spec)
    truth = getattr(args, "reference", None)
    if truth is not None:
        agreement = compare_with_truth(run.result.W, run.result.H, truth)
        run = replace(run, truth=describe_agreement(agreement), reference=truth)
    result = run.result
    out = Path(folder_name(str(args.out), dataset, run))
    another = "" if args.force else holds_another(out, run, result.n_iter)
    if another:
        taken, out = out, free_folder(out)
        print(f"gsp-studio: {taken} holds {another}; this run is exported into {out}", file=sys.stderr)
    figures = {}
    if "also" in args:
        figures = {"extras": args.also, "zoom": args.zoom, "scale": args.white, "normalize": args.normalize}
    options = ExportOptions(**figures, coefficients=getattr(args, "coefficients", None))
    out, paths, is_all = _written(out, dataset, run, options, args.force)
    args.out = out
    words = sys.stderr if getattr(args, "json", False) else sys.stdout
    if words is sys.stderr:
        print(json.dumps({"folder": str(out), **summary_of(describe(dataset, run, []))}), flush=True)
    of_others = "" if math.isnan(result.held_out_error) else f"  held out {100 * result.held_out_error:.3f} %"
    name = error_name(result.params)
    print(
        f"{name} {100 * result.error:.3f} %{of_others}  sparsity {result.sparsity:.4f}  "
        f"{result.n_iter} iterations in {result.history.seconds[-1]:.2f} s, {outcome.reason.value}  ({result.backend})",
        file=words,
    )
    if run.truth:
        print("\n".join(lines_of(dict(run.truth))), file=words)
    for caution in cautions_of(result.W, result.gram, dataset.nouns):
        print(f"gsp-studio: {caution.sentence}", file=sys.stderr)
    if result.dead:
        many = f"{len(result.dead)} basis images are" if len(result.dead) > 1 else "1 basis image is"
        words_of_dead = dataset.nouns.of(f"{many} dead (zero, or used by no image)")
        print(f"gsp-studio: {words_of_dead}; try --reseed-dead", file=sys.stderr)
    print(f"{len(paths)} files in {out}", file=words)
    LOG.info("%s: error %.3f %%, %d iterations, %s", out, 100 * result.error, result.n_iter, outcome.reason.value)
    code = {FinishReason.CANCELLED: INTERRUPTED, FinishReason.FAILED: BAD_INPUT}.get(outcome.reason, 0)
    return code or (0 if is_all else BAD_INPUT)


def _written(
    out: Path, dataset: Dataset, run: ExportedRun, options: ExportOptions, force: bool
) -> tuple[Path, list[Path], bool]:
    """Export a run with all options; where that fails without extras; else into a temporary folder.

    Returns
    -------
    Path, list of Path, bool
        The folder, its files, and whether all was exported as requested.
    """
    from gsp_studio.io.atomic import ExportError
    from gsp_studio.io.export.run_folder import export_run

    least = replace(options, extras=(), zoom=None)
    tries: list[tuple[Callable[[], Path], ExportOptions, str]] = [(lambda: out, options, "")]
    if options.extras or options.zoom is not None:
        tries.append((lambda: out, least, "the run is exported without --also and --zoom"))
    tries.append((lambda: Path(tempfile.mkdtemp(prefix="gsp-studio-")), least, "the run is kept elsewhere"))
    first: Exception | None = None
    for place, parts, words in tries:
        if first is not None:
            print(f"gsp-studio: {describe_error(first)}; {words}", file=sys.stderr)
        try:
            folder = place()
            return folder, export_run(folder, dataset, run, parts, force=force), first is None
        except Exception as error:
            first = first or error
    raise ExportError(f"{describe_error(first)}; the run is lost" if first is not None else "")
