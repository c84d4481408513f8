"""Half a minute of `benchmarks.soak`, less outside of CI: memory, open files and threads stay as they are."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.soak import judge

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
def test_nothing_grows_while_the_app_is_used(tmp_path):
    minutes = "1" if os.environ.get("CI") else "0.3"
    command = [sys.executable, "-m", "benchmarks.soak", "--minutes", minutes, "--log", str(tmp_path / "soak.csv")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "soak.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 5
    assert float(rows[-1]["rounds"]) == len(rows)


def test_what_grows_is_told(capsys):
    def rows(grown_bytes=0.0, grown_files=0.0):
        return [(10.0 * k, k, 4e8 + grown_bytes * k, 12 + grown_files * k, 9) for k in range(20)]

    assert judge(rows()) == 0
    assert judge(rows(grown_bytes=3e6)) == 1
    assert "which is too much" in capsys.readouterr().out
    assert judge(rows(grown_files=1)) == 1
    assert judge(rows()[:3]) == 2
