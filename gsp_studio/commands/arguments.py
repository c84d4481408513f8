"""Arguments shared by the commands, and the loading of the data set that they name."""

from __future__ import annotations

import argparse
import math
import sys
import threading
from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsp_studio.commands.entries import add_entries

if TYPE_CHECKING:
    from gsp_studio.core.params import Parameter, Params
    from gsp_studio.core.truth import Truth
    from gsp_studio.io.axes import Axis
    from gsp_studio.io.dataset import Dataset


class HelpFormatter(argparse.HelpFormatter):
    """Help with the default of each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str:
        told = action.help or ""
        is_told = "%(default)" in told or (isinstance(action.default, tuple) and "(" in told)
        has_none = (
            action.default is None or action.default is False or action.default in ("", (), [], argparse.SUPPRESS)
        )
        if not action.option_strings or is_told or has_none:
            return told
        return f"{told} (default: %(default)s)"


#: Seconds of waiting after which its cause is printed.
_SILENCE = 2.0
#: Value of a flag that is given alone.
_BARE = object()
#: Sparsities of a sweep.
_MOST = 1000


class UsualNumber(float):
    """A default: the number as it is where the user gave none."""


def image_shape(text: str) -> tuple[int, int]:
    height, times, width = text.lower().partition("x")
    if not (times and height.isdecimal() and width.isdecimal() and int(height) > 0 and int(width) > 0):
        raise argparse.ArgumentTypeError(f'image shape "{text}" is not HEIGHTxWIDTH, for example 19x19')
    return int(height), int(width)


def folder(text: str) -> Path:
    if not text:  # which Path would take for the folder one is in
        raise argparse.ArgumentTypeError("the name of the export folder is empty")
    return Path(text)


def extras(text: str) -> tuple[str, ...]:
    from gsp_studio.io.export.formats import EXTRAS

    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in EXTRAS:
            raise argparse.ArgumentTypeError(f'"{name}" is no export; accepted are {", ".join(EXTRAS)}')
    return names


def subset(text: str) -> tuple[int, int, int]:
    parts = text.split(":")
    if not 2 <= len(parts) <= 3 or not all(part.isdecimal() for part in parts if part) or parts[2:] == [""]:
        raise argparse.ArgumentTypeError(f'subset "{text}" is not START:STOP:STEP, for example 0:1000 or 0:1000:2')
    start, stop = int(parts[0] or 0), int(parts[1]) if parts[1] else sys.maxsize
    return start, stop, int(parts[2]) if len(parts) == 3 else 1


def ranks(text: str) -> tuple[int, ...]:
    """ "2:13" or "2,5,10": ranks to try; as everywhere, the end of a range is left out."""
    parts = text.split(":")
    if len(parts) in (2, 3) and all(part.isdecimal() for part in parts):
        found = tuple(range(*map(int, parts))) if parts[2:] != ["0"] else ()
    else:
        found = tuple(int(part) for part in text.split(",") if part.strip().isdecimal())
    if not found:
        raise argparse.ArgumentTypeError(f'ranks "{text}" are none; accepted are A:B, A:B:STEP and A,B,C')
    return found


def sparsities(text: str) -> tuple[float, ...]:
    """ "0.5:0.95:0.1" or "0.5,0.8": targets to try, in decimals; the end of a range is left out."""
    parts = text.split(":")
    try:
        if len(parts) == 3:
            start, stop, step = map(Decimal, parts)
            count = math.ceil((stop - start) / step) if step > 0 else 0
            if count > _MOST:
                raise argparse.ArgumentTypeError(f'sparsities "{text}" are {count}; accepted are up to {_MOST}')
            found = tuple(float(start + k * step) for k in range(count))
        else:
            found = tuple(float(part) for part in text.split(","))
    except (ArithmeticError, ValueError):
        found = ()
    if not found or not all(0.0 <= s <= 1.0 for s in found):
        raise argparse.ArgumentTypeError(
            f'sparsities "{text}" are none; accepted are A:B:STEP and A,B,C, each a number from 0 to 1'
        )
    return found


def targets(text: str) -> tuple[float, ...]:
    """ "0.5:0.99:25" or "0.5,0.8": so many targets at equal distances, both ends among them; or these."""
    parts = text.split(":")
    try:
        if len(parts) == 3:
            start, stop, count = Decimal(parts[0]), Decimal(parts[1]), int(parts[2])
            found = tuple(float(start + k * (stop - start) / (count - 1)) for k in range(min(count, _MOST + 1)))
        else:
            found = tuple(float(part) for part in text.split(","))
    except (ArithmeticError, ValueError):
        found = ()
    if not 1 <= len(found) <= _MOST or not all(0.0 <= s <= 1.0 for s in found):
        raise argparse.ArgumentTypeError(
            f'sparsities "{text}" are none; accepted are A:B:COUNT, with 2 to {_MOST} targets from A to B, and A,B,C, '
            "each a number from 0 to 1"
        )
    return found


def step(text: str) -> dict[str, Any]:
    """Parse a step of the command line; its values are checked when it is used."""
    kind, _, rest = text.partition(":")
    step: dict[str, Any] = {"kind": kind}
    for part in filter(None, rest.split(",")):
        name, _, value = part.partition("=")
        step[name] = int(value) if value.lstrip("-").isdigit() else value
    return step


def axis(text: str) -> Axis:
    from gsp_studio.io.axes import AxisError
    from gsp_studio.io.axis_text import axis_of_argument

    try:
        return axis_of_argument(text)
    except AxisError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_parameters(
    parser: argparse.ArgumentParser, only: Collection[str] | None = None, without: Collection[str] = ()
) -> None:
    """Add a flag for each parameter of a run that has one, in the order of `Params`."""
    from gsp_studio.core.initialization import STARTS
    from gsp_studio.core.methods import METHODS
    from gsp_studio.core.params import PARAMETERS, Params, flag_of

    names = {"method": ", ".join(METHODS.names), "init": f"{', '.join(STARTS)}, or the folder of an exported run"}
    for name, parameter in PARAMETERS.items():
        if not parameter.is_flag or name in without or (only is not None and name not in only):
            continue
        told = f"{parameter.help}: {names[name]}" if name in names else parameter.help
        options: dict[str, Any] = {"default": getattr(Params, name, None), "help": told}
        if name == "sparsity":
            options["default"] = UsualNumber(Params.sparsity)
        if isinstance(options["default"], bool):
            options["action"] = argparse.BooleanOptionalAction if options["default"] else "store_true"
        else:
            options |= {"type": _type_of(parameter), "metavar": parameter.metavar}
        if parameter.bare is not None:
            options |= {"nargs": "?", "const": _BARE}
        parser.add_argument(flag_of(name), **options)


def add_run(parser: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """Add the flags of a run: its parameters, what its entries count, the layout of its data, and the machine."""
    add_parameters(parser, without=without)
    add_entries(parser)
    add_layout(parser)
    add_machine(parser)


def _type_of(parameter: Parameter) -> type:
    if parameter.range is None:
        return str
    return int if parameter.range.is_whole else float


def add_seeds(parser: argparse.ArgumentParser) -> None:
    from gsp_studio.core.params import PARAMETERS, flag_of
    from gsp_studio.io.seed_sources import FORMS

    hold = PARAMETERS["seed_hold"]
    told = f"{PARAMETERS['seed_basis'].help}, given several times for several: {FORMS}"
    parser.add_argument(flag_of("seed_basis"), action="append", default=[], metavar="SEED", help=told)
    parser.add_argument(flag_of("seed_hold"), default="free", metavar=hold.metavar, help=hold.help)


def seeded(params: Params, args: argparse.Namespace, dataset: Dataset) -> Params:
    """Parameters with the seeds of `add_seeds`, which need the data."""
    from gsp_studio.core.seeds import with_seeds
    from gsp_studio.io.seed_sources import read_seeds

    if not args.seed_basis:
        return params
    seeds = read_seeds(args.seed_basis, dataset, params.rank, params.seed)
    print(f"{dataset.name}: seeds: {', '.join(seed.name for seed in seeds)}", file=sys.stderr)
    return replace(with_seeds(params, seeds), seed_hold=args.seed_hold)


def add_truth(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--truth",
        action="append",
        default=[],
        metavar="FILE",
        help="a reference to compare with: FILE, FILE:NAME or :NAME of an array of spectra, abundances or labels; ':' "
        "for M and A in the data's own file, labels for the labels of the data",
    )


def truth_of(args: argparse.Namespace, dataset: Dataset) -> Truth | None:
    """The reference of `add_truth`; None where none was asked for."""
    from gsp_studio.io.dataset import DatasetError
    from gsp_studio.io.references import Sizes
    from gsp_studio.io.truth_file import read_truth, truth_of_labels

    if args.truth == ["labels"]:
        truth = truth_of_labels(dataset)
        if truth is None:
            raise DatasetError(f"{dataset.name} has no labels, or too many different ones, to compare with")
        return truth
    return read_truth(args.truth, Sizes.of(dataset)) if args.truth else None


def add_layout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--image-shape", type=image_shape, metavar="HxW", help="shape of an image, where vectors hide it"
    )
    parser.add_argument("--order", choices=["C", "F"], help="how a vector fills its image: by rows (C), by columns (F)")
    parser.add_argument(
        "--images-in",
        choices=["columns", "rows", "middle", "one"],
        help="where a matrix keeps its images; of a stack rows: first axis, columns: last; one: it is one image",
    )
    parser.add_argument("--key", help="which array of a .npz or .mat file")
    parser.add_argument("--negative", choices=["clip", "shift", "abs"], help="what to do with negative values")
    parser.add_argument(
        "--step",
        action="append",
        type=step,
        metavar="KIND:NAME=VALUE,...",
        help="something to do to the images, in the order given: resize:height=64,width=64,how=pad; crop:top=0,left=0,"
        "height=32,width=32; patches:height=8,width=8,count=10000, or stride=4 for the count; "
        "subtract:what=mean,per=pixel; normalize:by=norm; "
        "rotate:degrees=90; flip:direction=up-down; bin:factor=2; for movies background:percentile=50 and "
        "dff:percentile=10 (dF/F); mask:path=FILE; nonnegative:negative=abs",
    )
    parser.add_argument(
        "--colour",
        choices=["grey", "rgb", "red", "green", "blue"],
        help="make images in colour grey, keep their colours, or read one of them",
    )
    parser.add_argument(
        "--subset",
        type=subset,
        metavar="START:STOP:STEP",
        help="read a part of the images or frames, counted from 0; STOP is not read, STEP is 1",
    )
    parser.add_argument("--labels", metavar="KEY", help="which array of the file labels the images; none for no labels")
    parser.add_argument(
        "--axis",
        action="append",
        type=axis,
        metavar="DIMENSION:NAME=VALUE,...",
        help="unit and coordinates of rows, columns or bands, in place of those of the file: x:unit=um,scale=0.5; "
        "band:name=Wavelength,unit=nm,offset=400,scale=5, or values=400;412;431",
    )
    parser.add_argument("--samples", choices=["images", "pixels"], help="pixels: factorize their spectra")
    parser.add_argument(
        "--storage", choices=["memory", "disk"], help="load the images, or leave them on the disk (large .npy do)"
    )
    parser.add_argument(
        "--nonfinite",
        choices=["zero", "drop"],
        help="NaN and infinite values: 0, or drop these images and damaged ones",
    )


def add_machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dtype", choices=["float32", "float64"], help="compute in this type (the data's own)")
    parser.add_argument(
        "--backend", default="auto", help="auto, cuda, cuda:1, cpu or reference; on a cluster its workers'"
    )
    parser.add_argument("--threads", type=int, help="threads (all cores)")


def add_scheduler(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scheduler",
        default="",
        metavar="ADDRESS",
        help="compute on a Dask cluster: tcp://HOST:PORT of its scheduler, or local:4 for four workers here; "
        'needs pip install "gsp-studio[cluster]"',
    )


def add_cluster(parser: argparse.ArgumentParser) -> None:
    add_scheduler(parser)
    parser.add_argument(
        "--coefficients",
        choices=["npy", "zarr"],
        help="write H block by block into H.npy or H.zarr.zip (of clusters; by itself where it exceeds 1 GiB)",
    )


def prepare_cluster(args: argparse.Namespace) -> None:
    """Connect to the cluster, and leave the images on the disk for its workers where they can be read in part."""
    from gsp_studio.engine.cluster import connect
    from gsp_studio.io.readers import can_stay_on_disk

    kind = "the workers of" if args.scheduler.startswith("local:") else "an answer from"
    words = f"waiting for {kind} {args.scheduler}..."
    waiting = threading.Timer(_SILENCE, lambda: print(words, file=sys.stderr, flush=True))
    waiting.daemon = True
    waiting.start()
    try:
        connect(args.scheduler)
    finally:
        waiting.cancel()
    if args.storage is None and can_stay_on_disk(args.path, **_choices(args)):
        args.storage = "disk"


def load(args: argparse.Namespace, usual: Mapping[str, Any] | None = None) -> Dataset:
    """Load the data that the arguments name; where they choose nothing, as `usual` says."""
    from gsp_studio.io.readers import load_dataset

    chosen = {name: value for name, value in _choices(args).items() if value not in (None, ())}
    dataset = load_dataset(args.path, **{**(usual or {}), **chosen})
    height, width = dataset.grid or dataset.image_shape
    colour = " in colour" if dataset.channels == 3 else ""
    shape = f"{dataset.X.shape[1]} images of {height} x {width}{colour}"
    if dataset.grid is not None:
        shape = f"{dataset.X.shape[1]} spectra of {dataset.X.shape[0]} bands, the pixels of {height} x {width}"
    print(f"{dataset.name}: {shape}, {dataset.X.dtype}, order {dataset.order}", file=sys.stderr)
    for note in dataset.notes:
        print(f"{dataset.name}: {note}", file=sys.stderr)
    return dataset


def _choices(args: argparse.Namespace) -> dict[str, Any]:
    """Options of `load_dataset`."""
    return {
        "image_shape": args.image_shape,
        "order": args.order,
        "images_in": args.images_in,
        "key": args.key,
        "negative": args.negative,
        "nonfinite": args.nonfinite,
        "colour": args.colour,
        "subset": args.subset,
        "labels": "" if args.labels == "none" else args.labels,
        "samples": args.samples,
        "storage": args.storage,
        "steps": args.step or (),
        "axes": args.axis or (),
        "dtype": args.dtype,
    }


def params_of(args: argparse.Namespace, **others: Any) -> Params:
    """Parameters of the flags of `add_parameters`, and of `others`, without weights and seeds, which need the data."""
    from gsp_studio.core.params import NO_ARRAYS, PARAMETERS, Params

    values = {name: value for name, value in vars(args).items() if name in PARAMETERS and name not in NO_ARRAYS}
    for name, value in values.items():
        bare = PARAMETERS[name].bare
        if bare is not None and value is _BARE:
            values[name] = bare(args.max_iter)
    if "init" in values:
        values["init"] = start(args.init)
    return Params(**{**values, **others})


def start(init: str) -> Any:
    """Resolve a start: its name, or the factors (W, H) of an exported run."""
    from gsp_studio.core.initialization import STARTS
    from gsp_studio.io.factors import read_factors

    return init if init in STARTS or not Path(init).exists() else read_factors(init)
