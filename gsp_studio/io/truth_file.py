"""References of a data set: spectra, abundances and labels, read from files."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.truth import Agreement, Truth
from gsp_studio.io.csv_text import plain_text
from gsp_studio.io.dataset import Dataset, DatasetError
from gsp_studio.io.references import NAMES, Sizes, as_rows, as_spectra, read_arrays, split_place

TABLE = "truth.csv"
#: The reference itself in an export; `read_truth` reads it.
REFERENCE = "reference.npz"
#: Usual names of reference arrays, by what they are.
_USUAL = {"spectra": ("m", "endmembers", "s", "spectra"), "abundances": ("a", "abundances", "maps"), "labels": ("gt",)}
#: Names of classes that are numbers.
_WHOLE = re.compile(r"-?[0-9]{1,15}")
#: Classes at most: more different values are no labels.
_MOST_CLASSES = 1000


def read_truth(texts: Sequence[str], sizes: Sizes) -> Truth:
    """Read a reference.

    Parameters
    ----------
    texts : sequence of str
        FILE, FILE:NAME or ":NAME"; ":" is the data set's own file, in which arrays are found by their usual names (M or
        endmembers, A or abundances, gt). The role of an array follows from its shape.
    sizes : Sizes

    Raises
    ------
    DatasetError
        In one sentence: no such array, one that does not fit, or two references of different numbers of materials.
    """
    spectra: Array | None = None
    abundances: Array | None = None
    is_labels = False
    sources: dict[str, list[str]] = {}
    names: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    for text in texts:
        path, key = split_place("" if text == ":" else text, sizes.source)
        for role, found in read_arrays(text, sizes, _USUAL).items():
            sources.setdefault(path.name, []).append(found.title)
            names = found.names or names
            where = f"{path}{f':{key}' if key else ''}"
            values = np.asarray(found.values, np.float64)
            columns = as_spectra(values, sizes) if role in ("", "spectra") else None
            rows = as_rows(values.squeeze() if values.ndim == 2 and 1 in values.shape else values, sizes)
            if columns is not None and (rows is None or role == "spectra"):
                spectra = _checked(columns, where)
            elif rows is not None and (role == "labels" or (len(rows) == 1 and _are_classes(rows[0]))):
                (abundances, classes), is_labels = _of_labels(rows[0], where), True
            elif rows is not None:
                abundances = _checked(rows, where)
            elif role == "":
                shape = " x ".join(map(str, values.shape))
                raise DatasetError(
                    f"{where} ({shape}) is no reference of these data; accepted are {sizes.column}, abundances or "
                    f"labels of {sizes.n} samples"
                )
    if spectra is None and abundances is None:
        raise DatasetError(f"{texts[0]} holds no reference of these data; add :NAME of the array")
    counts = {part.shape[axis] for part, axis in ((spectra, 1), (abundances, 0)) if part is not None}
    if len(counts) > 1:
        raise DatasetError(f"the spectra and the abundances are of {sorted(counts)} materials; accepted is one number")
    source = "; ".join(" of ".join(filter(None, (" and ".join(titles), file))) for file, titles in sources.items())
    fitting = next((some for some in (names, classes) if counts == {len(some)}), ())
    return Truth(spectra, abundances, fitting, is_labels, source)


def truth_of_labels(dataset: Dataset) -> Truth | None:
    """The labels of the data set itself as a reference; None where it has none, or too many."""
    if dataset.labels is None:
        return None
    classes = list(dict.fromkeys(dataset.labels))
    if not 2 <= len(classes) <= _MOST_CLASSES:
        return None
    numbers = {name: k for k, name in enumerate(classes)}
    rows = np.zeros((len(classes), len(dataset.labels)))
    rows[[numbers[label] for label in dataset.labels], np.arange(len(dataset.labels))] = 1.0
    return Truth(None, rows, tuple(map(str, classes)), is_labels=True, source=f"labels of {dataset.name}")


def describe_agreement(agreement: Agreement) -> dict[str, Any]:
    """An agreement for run.json; values that are not there are None."""
    each = []
    for k, (name, partner) in enumerate(zip(agreement.names, agreement.partner, strict=True)):
        row: dict[str, Any] = {"name": name, "basis": int(partner) + 1 if partner >= 0 else None}
        each.append(row | {key: _or_none(getattr(agreement, key)[k]) for key in ("angle", "rmse", "rmse_scaled")})
    return {
        "reference": agreement.source,
        "mean_angle": _or_none(agreement.mean_angle),
        "rmse": _or_none(agreement.total_rmse),
        "rmse_scaled": _or_none(agreement.total_rmse_scaled),
        "accuracy": _or_none(agreement.accuracy),
        "materials": each,
    }


def write_reference(path: Path, truth: Truth) -> None:
    """Write a reference as arrays M (m, q), A (q, n) or labels gt (n,), and names (q,), where it has them.

    Labels are the whole numbers that the names of their classes are, where these ascend, else places among the names.
    """
    arrays: dict[str, Array] = {}
    if truth.names:
        arrays[NAMES] = np.array(truth.names)
    if truth.spectra is not None:
        arrays["M"] = truth.spectra
    if truth.abundances is not None and truth.is_labels:
        arrays["gt"] = _class_numbers(truth)[truth.abundances.argmax(axis=0)]
    elif truth.abundances is not None:
        arrays["A"] = truth.abundances
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def write_agreement(path: Path, told: dict[str, Any]) -> None:
    """Write an agreement, as `describe_agreement` gives it, as a table, a material a line."""
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.writer(file)
        names = ("basis", "angle", "rmse", "rmse_scaled")
        of = plain_text(told.get("reference", ""))
        table.writerow(["material", "basis", "spectral_angle_degrees", "rmse", "rmse_scaled", "reference"])
        for row in told["materials"]:
            numbers = ("" if row[name] is None else row[name] for name in names)
            table.writerow([plain_text(row["name"]), *numbers, of])
        totals = ("" if told[name] is None else told[name] for name in ("mean_angle", *names[2:]))
        table.writerow(["all", "", *totals, of])


def lines_of(told: dict[str, Any]) -> list[str]:
    """Lines for people of an agreement, as `describe_agreement` gives it."""
    lines = [f"beside {told['reference']}:"] if told.get("reference") else []
    lines += [f"{'material':16} {'basis':>5} {'angle':>9} {'RMSE':>8} {'(scaled)':>8}"]
    for row in [*told["materials"], {"name": "all", "basis": None, "angle": told["mean_angle"], **_totals(told)}]:
        angle = "-" if row["angle"] is None else f"{row['angle']:.2f} deg"
        errors = ["-" if row[name] is None else f"{row[name]:.4f}" for name in ("rmse", "rmse_scaled")]
        lines.append(f"{row['name'][:16]:16} {row['basis'] or '':>5} {angle:>9} {errors[0]:>8} {errors[1]:>8}")
    if told["accuracy"] is not None:
        lines.append(f"labels: {100 * told['accuracy']:.2f} % of the samples")
    return lines


def _totals(told: dict[str, Any]) -> dict[str, Any]:
    return {name: told[name] for name in ("rmse", "rmse_scaled")}


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _checked(values: Array, where: str) -> Array:
    if not np.all(np.isfinite(values)) or values.min(initial=0.0) < 0:
        raise DatasetError(f"{where} holds negative or non-finite values; accepted are references >= 0")
    return np.asarray(values, np.float64)


def _are_classes(row: Array) -> bool:
    return bool(np.all(row == np.round(row))) and 2 <= len(np.unique(row)) <= _MOST_CLASSES


def _class_numbers(truth: Truth) -> Array:
    """The numbers that are written for classes, which ascend as `read_truth` numbers them."""
    if all(_WHOLE.fullmatch(name) for name in truth.names):
        numbers = np.array(truth.names, np.int64)
        if len(numbers) == truth.count and np.all(np.diff(numbers) > 0):
            return numbers
    return np.arange(truth.count)


def _of_labels(row: Array, where: str) -> tuple[Array, tuple[str, ...]]:
    """Memberships (q, n) of the classes of a row of labels, and the labels as names."""
    classes = np.unique(row)
    if not 2 <= len(classes) <= _MOST_CLASSES:
        raise DatasetError(f"{where} holds {len(classes)} different values; labels are of 2 to {_MOST_CLASSES} classes")
    members: Array = (row[None] == classes[:, None]).astype(np.float64)
    return members, tuple(f"{label:.15g}" for label in classes)
