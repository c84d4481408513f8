"""docs/development.md: its paths exist, and extensions touch no more files than it says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gsp_studio.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "gsp_studio"
PAGE = ROOT / "docs" / "development.md"


def files_with(pattern: str, with_window: bool = False) -> set[str]:
    """Files of the package in which a pattern occurs, those of the window only where they are asked for."""
    return {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if (with_window or path.parts[len(PACKAGE.parts)] != "gui")
        and re.search(pattern, path.read_text(encoding="utf-8"))
    }


def test_its_paths_exist() -> None:
    named = set(
        re.findall(r"`((?:gsp_studio|tests|docs|io|core|engine|script)/[\w./-]*)", PAGE.read_text(encoding="utf-8"))
    )
    assert len(named) > 20
    assert not [name for name in named if not (ROOT / name).exists() and not (PACKAGE / name).exists()]


@pytest.mark.parametrize(
    "name", ["inner_tol", "n_sweeps", "n_steps", "continuation", "max_seconds", "kkt_tol", "reseed_dead"]
)
def test_a_parameter_touches_few_files(name: str) -> None:
    """At most five of the whole package spell it, and none that only hands it on."""
    found = files_with(rf"\b{name}\b", with_window=True)
    assert "core/params.py" in found
    assert len(found) <= 5
    hands_on = ("commands/", "io/export/", "gui/panels/", "gui/sweep/", "gui/session", "gui/widgets/", "gui/state")
    assert not [path for path in found if path.startswith(hands_on)]


_NEW = """\
    momentum: float = _describe(0.0, "Momentum", "weight of the last step", _FRACTION)

    def __eq__("""
_SEEN = """\
from gsp_studio.core.params import PARAMETERS, Params
from gsp_studio.gui.session_file.window_state import read_state
from gsp_studio.gui.state import RunSettings

settings = RunSettings(Params(3, momentum=0.5))
assert read_state({"choice": settings.as_json()}, 9, []).choice == settings
assert read_state({"choice": {"momentum": 2}}, 9, said := []).choice.params.momentum == 0 and "from 0 to 1" in said[0]
"""


def test_a_parameter_needs_its_field_alone_to_be_given_checked_and_kept(tmp_path: Path) -> None:
    """A field added to a copy: command line, range, run.json, repeat.py and the window's settings follow."""
    shutil.copytree(PACKAGE, tmp_path / "gsp_studio", ignore=shutil.ignore_patterns("__pycache__"))
    params = tmp_path / "gsp_studio" / "core" / "params.py"
    text = params.read_text(encoding="utf-8")
    assert text.count("    def __eq__(") == 1
    params.write_text(text.replace("    def __eq__(", _NEW), encoding="utf-8")
    np.save(tmp_path / "X.npy", np.random.default_rng(0).random((9, 4, 4)).astype(np.float32))

    def python(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False)

    fit = ["-c", "import sys; from gsp_studio.cli import main; sys.exit(main())", "fit", "X.npy", "--rank", "2"]
    fit += ["--max-iter", "2", "--backend", "reference", "--out", "out", "--quiet"]
    refused = python(*fit, "--momentum", "2")
    assert refused.returncode
    assert "momentum is 2.0; accepted is a number from 0 to 1" in refused.stderr
    done = python(*fit, "--momentum", "0.5")
    assert not done.returncode, done.stderr
    assert json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))["params"]["momentum"] == 0.5
    assert "momentum=0.5" in (tmp_path / "out" / "repeat.py").read_text(encoding="ascii")
    seen = python("-c", _SEEN)
    assert not seen.returncode, seen.stderr


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "repeat"])
def test_a_command_is_known_to_the_table_alone(name: str) -> None:
    """repeat is in the file of fit."""
    pattern = rf"gsp_studio\.commands\.{name}\b|gsp_studio\.commands import [^\n]*\b{name}\b"
    assert files_with(pattern) == {"cli.py"}


@pytest.mark.parametrize("name", ["compare", "data", "inspector", "model", "path", "runs", "selected_basis", "weights"])
def test_a_panel_is_known_to_its_row_alone(name: str) -> None:
    """Its file and its row; a panel that the window's menus also act on may be known to them."""
    assert files_with(rf"gsp_studio\.gui\.panels\.{name}\b", with_window=True) == {"gui/window/layout.py"}


def test_an_action_is_its_row() -> None:
    """No other file spells the text of an action."""
    rows = (PACKAGE / "gui" / "window" / "actions.py").read_text(encoding="utf-8")
    texts = re.findall(r'Action\(\s*"\w+",\s*"[^"]*",\s*("[^"]+")', rows)
    assert len(texts) > 15
    twice = [text for text in texts if files_with(re.escape(text), with_window=True) != {"gui/window/actions.py"}]
    assert not twice
