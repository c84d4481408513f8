"""The quick selection of tests: in three folders, without Qt and without processes, and it stays so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

COLLECT = """
import sys, pytest
code = pytest.main(["--quick", "--collect-only", "-q", "-p", "no:cacheprovider"])
print("Qt:", sorted({"PySide6", "shiboken6", "pyqtgraph"} & set(sys.modules)), "code:", int(code))
"""

TESTS = """
import subprocess, sys
import pytest

def test_plain():
    pass

def test_with_a_process():
    try:
        subprocess.run([sys.executable, "-c", "open('started', 'w')"])
    except Exception:
        pass

def test_with_qt():
    import PySide6.QtCore
"""


def python(*arguments: str, cwd: Path) -> str:
    """What an interpreter of its own says."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "QT_"))}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), str(ROOT / "tests"), env.get("PYTHONPATH")]))
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300)
    return done.stdout + done.stderr


def test_it_is_in_three_folders_and_collecting_it_loads_no_qt() -> None:
    said = python("-c", COLLECT, cwd=ROOT)
    assert "Qt: [] code: 0" in said
    names = [line for line in said.splitlines() if "::" in line]
    assert {"/".join(name.split("/")[:2]) for name in names} == {"tests/core", "tests/io", "tests/engine"}
    chosen = {name.partition("[")[0] for name in names}
    assert len(chosen) > 400
    assert "tests/core/test_projection.py::test_optimality_conditions" in chosen
    # With a process of its own, of a helper's, of a fixture's; slow; on data that are not in the project.
    for name in (
        "io/test_dataset.py::test_the_fingerprint_is_the_same_in_another_process",
        "io/export/test_script.py::test_a_plain_run",
        "core/test_cluster.py::test_every_method_gives_what_it_gives_on_one_machine",
        "core/test_nmf.py::test_cbcl_faces_reach_the_papers_error",
    ):
        file, _, function = name.partition("::")
        assert f"def {function}(" in (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert f"tests/{name}" not in chosen


def test_a_process_or_qt_in_a_quick_test_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "test_three.py").write_text(TESTS, encoding="utf-8")
    options = ["-p", "conftest", "-p", "no:cacheprovider", "--quick", "-q", "-rfE"]
    said = python("-m", "pytest", *options, "test_three.py", cwd=tmp_path)
    assert "FAILED test_three.py::test_with_a_process" in said
    assert "ERROR test_three.py::test_with_qt" in said
    assert "1 failed, 2 passed, 1 error" in said
    assert not (tmp_path / "started").exists()
