"""A user's script, checked by mypy and pyright against the types that the wheel carries."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from wheels import needs_build, unpacked

SCRIPT = """
import numpy as np
import gsp_studio as gs

X = np.random.default_rng(0).random((30, 40))
params = gs.Params(rank=4, sparsity=0.6, max_iter=5)
result = gs.factorize(X, params)
error: float = result.error
path = gs.SparsityPath(result.dense)
data: gs.Dataset = gs.load_dataset("faces.npy")
wrong: str = result.error
gs.Params(rank=4, method=3)
"""
#: Types of NumPy are no part of what is tested, and cost mypy as much as those of the project.
MYPY = """
[mypy]
strict = True
ignore_missing_imports = True
follow_imports = silent
[mypy-numpy.*]
follow_imports = skip
follow_imports_for_stubs = True
"""
PYRIGHT = {"include": ["script.py"], "extraPaths": ["site"], "typeCheckingMode": "standard"}

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel"), needs_build]


@pytest.fixture
def folder(wheel: Path, tmp_path: Path) -> Path:
    """The script, and beside it the unpacked wheel."""
    assert (unpacked(wheel, tmp_path / "site") / "gsp_studio" / "py.typed").is_file()
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path


def test_mypy_finds_the_faults_of_a_users_script_and_nothing_else(folder: Path) -> None:
    pytest.importorskip("mypy")
    (folder / "mypy.ini").write_text(MYPY)
    code = "from mypy.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-error-summary", "--cache-dir", os.devnull, "script.py"],
        cwd=folder,
        env={"MYPYPATH": str(folder / "site"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert [line.split(":")[1] for line in lines] == ["11", "12"], done.stdout + done.stderr
    assert "assignment" in lines[0]
    assert "arg-type" in lines[1]


def test_pyright_finds_the_faults_of_a_users_script_and_nothing_else(folder: Path) -> None:
    command = [*pyright(), "--outputjson", "--pythonpath", sys.executable]
    (folder / "pyrightconfig.json").write_text(json.dumps(PYRIGHT))
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = [
        (told["range"]["start"]["line"] + 1, told["rule"]) for told in json.loads(done.stdout)["generalDiagnostics"]
    ]
    assert found == [(11, "reportAssignmentType"), (12, "reportArgumentType")], done.stdout


def pyright() -> list[str]:
    """The command of pyright, whose package on PyPI is a door to the one on npm; skips where that cannot be had."""
    if importlib.util.find_spec("pyright") is None:
        pytest.skip("pyright is not installed")
    if shutil.which("node") is None:
        pytest.skip("pyright needs Node.js, which is not installed")
    command = [sys.executable, "-m", "pyright"]
    quiet = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    try:
        asked = subprocess.run([*command, "--version"], env=quiet, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("pyright could not be fetched from npm within 120 s")
    if asked.returncode != 0:
        pytest.skip(f"pyright cannot be fetched from npm: {(asked.stderr.strip().splitlines() or ['no word why'])[-1]}")
    return command
