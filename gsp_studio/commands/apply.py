"""``gsp-studio apply``: coefficients of other images in the basis of an exported run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gsp_studio.commands import arguments
from gsp_studio.commands.entries import add_entries, check_entries, entries_of

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.core.params import Params
    from gsp_studio.io.dataset import Dataset
    from gsp_studio.io.run_record import RunFile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``gsp-studio apply``."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run.json of an export, or the folder that holds it")
    parser.add_argument("path", metavar="PATH", help="other images, read as those of the run unless flags say more")
    parser.add_argument("--out", type=arguments.folder, required=True, metavar="DIR", help="folder for the files")
    add_entries(parser)
    arguments.add_layout(parser)
    arguments.add_machine(parser)
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Apply the basis, write what comes of it, and return the exit code."""
    from gsp_studio.backends import get_backend
    from gsp_studio.core.methods import error_name
    from gsp_studio.io.export.applied import FixedBasis, check_free, export_application, options_for_others
    from gsp_studio.io.factors import read_basis
    from gsp_studio.io.run_json import read_run

    check_entries(args)
    check_free(args.out)  # before the work, not after it
    found = read_run(args.run)
    folder = args.run if args.run.is_dir() else args.run.parent
    data = found.content["data"]
    grid = data.get("grid")
    W, row_scale = read_basis(folder)
    basis = FixedBasis(
        W,
        _last_params(found),
        tuple(data["image_shape"]),
        data["order"],
        data.get("channels", 1),
        None if grid is None else tuple(grid),
        str(args.run),
        row_scale,
    )
    backend = get_backend(args.backend, args.threads)
    dataset = arguments.load(args, options_for_others(found.options))
    mask = entries_of(args, dataset)
    if mask is None:
        mask = _mask_of(found, dataset)
    files, error = export_application(args.out, basis, dataset, backend, mask)
    args.is_written = True
    print(f"{error_name(basis.params)} {100 * error:.3f} %  {dataset.X.shape[1]} images in the basis of {args.run}")
    print(f"{len(files)} files in {args.out}")
    return 0


def _last_params(found: RunFile) -> Params:
    """The parameters with which the run ended."""
    from gsp_studio.core.params import Params

    changes = [change for _, change in found.interventions if isinstance(change, Params)]
    return changes[-1] if changes else found.start


def _mask_of(found: RunFile, dataset: Dataset) -> Array | None:
    """The missing pixels of the run, or their weights, where these are the same in all of its images."""
    import numpy as np

    if found.mask is None:
        return None
    pixels = found.mask[:, :1]
    if (found.mask != pixels).any():
        kind, flag = ("missing entries", "--mask") if found.mask.dtype == bool else ("weights", "--entry-weights")
        told = f"the run had {kind} of single images, which say nothing about others; {flag} names theirs"
        print(f"gsp-studio: {told}", file=sys.stderr)
        return None
    if len(pixels) != len(dataset.X):
        return None  # images of another shape, which is said where the basis is applied
    return np.repeat(pixels, dataset.X.shape[1], axis=1)
