"""Rows of releases, kept in `history.json`, and ``python -m benchmarks compare OLD NEW``: ratios of two sets of rows.

A set is a file that ``--json`` or ``--keep`` has written, or the version of a release in the history.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import gsp_studio
from benchmarks.timing import Row

HISTORY = Path(__file__).with_name("history.json")
_ROOT = Path(__file__).parents[1]


def keep(rows: Sequence[Row], history: Path = HISTORY) -> str:
    """Write rows into the history as those of this version, in the place of its former rows of the same names.

    Parameters
    ----------
    rows : sequence of Row
    history : Path

    Returns
    -------
    str
        The version.
    """
    releases = _releases(history) if history.exists() else []
    version = gsp_studio.__version__
    kept = {row["name"]: row for release in releases if release["version"] == version for row in release["rows"]}
    machine = {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        # The average of the last quarter of an hour: other work on the machine disturbs absolute times.
        "load": round(os.getloadavg()[2], 1) if hasattr(os, "getloadavg") else None,
    }
    about = {"commit": _commit(), "date": date.today().isoformat(), **machine}
    kept |= {row.name: {**_finite(row), **about} for row in rows}
    releases = [release for release in releases if release["version"] != version]
    releases.append({"version": version, "rows": list(kept.values())})
    new = history.with_name(history.name + ".new")
    new.write_text(json.dumps(releases, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    new.replace(history)
    return version


def read_rows(source: str, history: Path = HISTORY) -> list[Row]:
    """Read the rows of a file or of a release.

    Parameters
    ----------
    source : str
        Path of a JSON file of rows, or a version of the history.
    history : Path

    Returns
    -------
    list of Row

    Raises
    ------
    ValueError
        Neither a file of rows nor a version that is kept.
    """
    releases = _releases(history) if history.exists() else []
    for release in releases:
        if release["version"] == source:
            return _rows(release["rows"], f"{source} in {history.name}")
    path = Path(source)
    if not path.is_file():
        known = ", ".join(release["version"] for release in releases) or "none"
        raise ValueError(f"{source} is neither a file of rows nor a kept release; kept are {known}")
    found = _parsed(path)
    # `--json` writes the rows alone, results of devices have them beside the device's name.
    return _rows(found.get("rows") if isinstance(found, dict) else found, source)


def compare(old: Sequence[Row], new: Sequence[Row]) -> list[str]:
    """Describe each row's change: new value over old one, and in a sentence what cannot be compared.

    Parameters
    ----------
    old, new : sequence of Row

    Returns
    -------
    list of str
        A line for each name of either, in the order of the new rows; rows that are gone come last.
    """
    before = {row.name: row for row in old}
    width = max((len(row.name) for row in (*old, *new)), default=0)
    lines = []
    for row in new:
        was = before.pop(row.name, None)
        if was is None:
            lines.append(f"{row.name:<{width}}  new: {row.value:.4g} {row.unit}")
        elif _scale(was.unit) != _scale(row.unit):
            lines.append(f"{row.name:<{width}}  not compared: in {_scale(row.unit)} now, in {_scale(was.unit)} before")
        elif not (math.isfinite(was.value) and math.isfinite(row.value)) or was.value == 0:
            lines.append(
                f"{row.name:<{width}}  no ratio: {was.value:.4g} before, {row.value:.4g} now, {_scale(row.unit)}"
            )
        else:
            lost = "  its goal was met and is MISSED now" if was.met and row.met is False else ""
            values = f"{was.value:.4g} -> {row.value:.4g} {_scale(row.unit)}"
            lines.append(f"{row.name:<{width}}  {row.value / was.value:6.3f} x  ({values}){lost}")
    lines += [
        f"{name:<{width}}  missing now: {row.value:.4g} {_scale(row.unit)} before" for name, row in before.items()
    ]
    return lines


def main(arguments: Sequence[str]) -> int:
    """Run ``compare OLD NEW``; exit code 2 where one cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks compare", description="ratios of rows, new over old")
    parser.add_argument("old", help="a file that --json has written, or a version of history.json")
    parser.add_argument("new", help="the same")
    args = parser.parse_args(arguments)
    try:
        lines = compare(read_rows(args.old), read_rows(args.new))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0


def _scale(unit: str) -> str:
    """A unit without the details that rows add to it."""
    return unit.partition(",")[0].partition(" (")[0]


def _finite(row: Row) -> dict[str, Any]:
    """A row for JSON, which has no NaN."""
    return {**asdict(row), "value": row.value if math.isfinite(row.value) else None}


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from error


def _releases(history: Path) -> list[dict[str, Any]]:
    found = _parsed(history)
    if not isinstance(found, list) or not all(
        isinstance(one, dict) and {"version", "rows"} <= set(one) for one in found
    ):
        raise ValueError(f"{history} is no history; accepted is a list of releases, each with version and rows")
    return found


def _rows(found: Any, source: str) -> list[Row]:
    try:
        return [
            Row(
                str(one["name"]),
                math.nan if one["value"] is None else float(one["value"]),
                str(one["unit"]),
                None if one.get("goal") is None else float(one["goal"]),
            )
            for one in found
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{source} has no rows; accepted is a list of name, value, unit and goal") from error


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
