"""A user's script, checked by mypy against the types that the wheel carries."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
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


@pytest.mark.slow
def test_a_users_script_has_types(tmp_path: Path) -> None:
    """The faults of the script are found, each in its line, and nothing else."""
    pytest.importorskip("mypy")
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    assert (tmp_path / "site" / "gsp_studio" / "py.typed").is_file()
    (tmp_path / "script.py").write_text(SCRIPT)
    code = "import sys; from mypy.main import main; main()"
    options = ["--strict", "--no-error-summary", "--ignore-missing-imports", "--follow-imports=silent"]
    done = subprocess.run(
        [sys.executable, "-c", code, *options, "script.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(tmp_path / "site"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert [line.split(":")[1] for line in lines] == ["11", "12"], done.stdout + done.stderr
    assert "assignment" in lines[0]
    assert "arg-type" in lines[1]
