"""Rank and sparsity where the user gave none and the samples are spectra."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from gsp_studio.commands.arguments import UsualNumber

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset


def proposed(args: argparse.Namespace, dataset: Dataset, methods: Collection[str]) -> dict[str, Any]:
    """Rank and sparsity that are proposed for spectra where the user gave none and a method has use for it; told.

    Raises
    ------
    ValueError
        The user gave no rank, and none is proposed.
    """
    from gsp_studio.core.methods import METHODS
    from gsp_studio.engine.proposal import proposal_for

    needs_sparsity = isinstance(args.sparsity, UsualNumber) and any(
        name in METHODS and METHODS[name].uses_sparsity for name in methods
    )
    found = proposal_for(dataset) if args.rank is None or needs_sparsity else None
    if found is None:
        if args.rank is None:
            raise ValueError(f"no rank is proposed for {dataset.name}; give one by --rank")
        return {}
    print(f"{dataset.name}: {found.why_of(args.rank is None, needs_sparsity)}", file=sys.stderr)
    rank = {"rank": found.rank} if args.rank is None else {}
    return rank | ({"sparsity": found.sparsity} if needs_sparsity else {})
