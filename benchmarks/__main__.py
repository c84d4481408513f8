"""``python -m benchmarks [SUITE ...] [--quick] [--against REVISION] [--json FILE] [--keep]``, or ``compare OLD NEW``.

Each suite is a module with ``rows(quick) -> list[Row]``. Prints a table of goal and value; exit code 1 when a goal
is missed.
"""

from __future__ import annotations

import os

# Before NumPy: idle threads of OpenBLAS spin beside the solver's by default.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "16")

import argparse
import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks import history
from benchmarks.timing import Row, format_table

SUITES = ("projection", "solvers", "interaction", "pruning", "gpu")
#: Run only by name: they take longer, or need special hardware.
MORE = ("scale",)


def main() -> int:
    """Run the suites that are named (all by default), or compare two sets of rows."""
    if sys.argv[1:2] == ["compare"]:
        return history.main(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument(
        "suites", nargs="*", choices=[*SUITES, *MORE, []], metavar="SUITE", help=" | ".join([*SUITES, *MORE])
    )
    parser.add_argument("--quick", action="store_true", help="smaller inputs, fewer repeats; ends within 40 s")
    parser.add_argument(
        "--against", metavar="REVISION", help="with solvers: the time of an iteration beside that revision of this tree"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE")
    parser.add_argument("--keep", action="store_true", help="write the rows into history.json, as this version's")
    args = parser.parse_args()
    rows: list[Row] = []
    for suite in args.suites or SUITES:
        part = importlib.import_module(f"benchmarks.{suite}").rows(args.quick)
        if suite == "solvers" and args.against:
            from benchmarks import revision, solvers

            part += revision.rows(args.against, args.quick, solvers.CBCL if solvers.CBCL.exists() else None)
        if part:
            print(format_table(suite, part), flush=True)
        rows += part
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    if args.keep:
        print(f"kept in {history.HISTORY.name} as rows of {history.keep(rows)}")
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
