"""docs/development.md: its paths exist, and extensions touch no more files than it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gsp_studio.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "gsp_studio"
PAGE = ROOT / "docs" / "development.md"


def files_with(pattern: str) -> set[str]:
    """Files of the package, other than those of the window, in which a pattern occurs."""
    return {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if path.parts[len(PACKAGE.parts)] != "gui" and re.search(pattern, path.read_text(encoding="utf-8"))
    }


def test_its_paths_exist() -> None:
    named = set(
        re.findall(r"`((?:gsp_studio|tests|docs|io|core|engine|script)/[\w./-]*)", PAGE.read_text(encoding="utf-8"))
    )
    assert len(named) > 20
    assert not [name for name in named if not (ROOT / name).exists() and not (PACKAGE / name).exists()]


@pytest.mark.parametrize("name", ["reseed_dead", "kkt_tol", "sparsity_h", "continuation"])
def test_a_parameter_touches_few_files(name: str) -> None:
    """At most five to exist, be checked, be used and be given; others may use it."""
    to_be_given = {"core/params.py", "commands/arguments.py"}
    found = files_with(rf"\b{name}\b")
    assert to_be_given <= found
    rest = found - to_be_given - {"core/validation.py", "io/export/script.py"}
    assert {path.partition("/")[0] for path in rest} <= {"core", "io", "experiments"}
    if name == "reseed_dead":  # which has one use
        assert len(found) <= 5


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "repeat"])
def test_a_command_is_known_to_the_table_alone(name: str) -> None:
    """repeat is in the file of fit."""
    pattern = rf"gsp_studio\.commands\.{name}\b|gsp_studio\.commands import [^\n]*\b{name}\b"
    assert files_with(pattern) == {"cli.py"}
