"""Missing entries, and what others count: their flags, and the files that these name."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.io.dataset import Dataset


def add_entries(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say which entries are missing, or what they count."""
    parser.add_argument("--mask", metavar="FILE", help="not 0 where a pixel (in a .npy like X: an entry) is missing")
    what = "in place of --mask: what a pixel (in a .npy like X: an entry) counts, from 0, missing, to 1"
    parser.add_argument("--entry-weights", metavar="FILE", help=what)


def check_entries(args: argparse.Namespace) -> None:
    """Raise ValueError where both flags are given; before the data are read."""
    if args.mask is not None and args.entry_weights is not None:
        raise ValueError("--entry-weights and --mask say the same in two ways; accepted is one of them")


def entries_of(args: argparse.Namespace, dataset: Dataset) -> Array | None:
    """Entries (m, n) of `add_entries`: True where one is missing, or numbers from 0 to 1; None where neither is given.

    Raises
    ------
    DatasetError
        A file that cannot be read, of another shape, or of numbers that no weights can be.
    ValueError
        Both flags.
    """
    from gsp_studio.core.masking import check_weights
    from gsp_studio.io.dataset import DatasetError
    from gsp_studio.io.pixels import read_entry_weights, read_mask

    check_entries(args)
    if args.mask is not None:
        return read_mask(args.mask, dataset)
    if args.entry_weights is None:
        return None
    weights = read_entry_weights(args.entry_weights, dataset)
    try:
        check_weights(weights, dataset.X.shape)
    except ValueError as error:
        raise DatasetError(f"{args.entry_weights} {str(error).removeprefix('mask ')}") from error
    return weights
