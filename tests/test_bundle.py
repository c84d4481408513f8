"""The bundle of script/bundle, started without any Python in reach; skipped where none was made, as in CI.

script/bundle && script/test tests/test_bundle.py
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUNDLE = ROOT / "out" / "bundle" / "gsp-studio"
PROGRAM = BUNDLE / ("gsp-studio.exe" if sys.platform == "win32" else "gsp-studio")
PACKAGE = BUNDLE / "_internal" / "gsp_studio"
FACES = PACKAGE / "_sample_data" / "faces.npz"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAM.is_file(), reason="there is no bundle; script/bundle makes one, in some minutes"),
]


@pytest.fixture
def alone(tmp_path: Path) -> dict[str, str]:
    """An environment with nothing but a home: no command is found in it, so no Python either."""
    (tmp_path / "empty").mkdir()
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP") if name in os.environ}  # of Windows
    return {**kept, "PATH": str(tmp_path / "empty"), "HOME": str(tmp_path), "LANG": "C.UTF-8"}


@pytest.fixture
def screen() -> Iterator[str]:
    """A virtual X screen of its own."""
    if shutil.which("Xvfb") is None or shutil.which("xdotool") is None:
        pytest.skip("Xvfb or xdotool is not installed")
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1600x1000x24", "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    yield f":{server.stdout.readline().strip()}"
    server.terminate()
    server.wait()
    server.stdout.close()


def driven(screen: str, app: subprocess.Popen[str], *arguments: str) -> str:
    """Standard output of xdotool, tried again until it succeeds; "" where the program has ended meanwhile."""
    env = {"PATH": os.environ["PATH"], "DISPLAY": screen}
    while app.poll() is None:
        done = subprocess.run(["xdotool", *arguments], env=env, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout
        time.sleep(0.2)
    return ""


def said(env: dict[str, str], *arguments: str | Path) -> str:
    """Standard output of the program, which has to succeed."""
    done = subprocess.run([PROGRAM, *arguments], env=env, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def kernels() -> dict[Path, int]:
    """Compiled kernels inside the bundle, and when each was written."""
    return {path: path.stat().st_mtime_ns for path in (PACKAGE / "backends" / "cpu").rglob("*.nbc")}


def test_it_has_all_sources_that_are_read_as_text(alone: dict[str, str]) -> None:
    """Kernels of the processor, whose text is the stamp of the cache, those for GPUs, and the guide."""
    for source in (*(ROOT / "gsp_studio" / "backends").rglob("*.cu"), *(ROOT / "gsp_studio").rglob("*.py")):
        there = PACKAGE / source.relative_to(ROOT / "gsp_studio")
        assert there.read_bytes() == source.read_bytes(), f"{there} is of another checkout: run script/bundle"
    assert (PACKAGE / "_docs" / "guide.md").is_file()
    assert f"cache of compiled kernels: {PACKAGE / 'backends' / 'cpu'}" in said(alone, "info")


def test_it_fits_and_exports_and_kernels_are_compiled_once(alone: dict[str, str], tmp_path: Path) -> None:
    fit = ("fit", FACES, "--rank", "5", "--sparsity", "0.5", "--max-iter", "3", "--quiet", "--out")
    said(alone, *fit, tmp_path / "first", "--also", "mat,h5,tiff,svg,pdf,report")
    written = {path.suffix for path in (tmp_path / "first").rglob("*")}
    assert {".mat", ".h5", ".tif", ".svg", ".pdf", ".html"} <= written
    compiled = kernels()
    assert compiled
    said(alone, *fit, tmp_path / "second")
    assert kernels() == compiled
    first, second = ((tmp_path / name / "run.json").read_text() for name in ("first", "second"))
    [error] = {re.search(r'"error": ([0-9.e-]+)', text)[1] for text in (first, second)}
    assert 0 < float(error) < 1


def test_processes_of_its_own_work(alone: dict[str, str], tmp_path: Path) -> None:
    """Each is the same program once more, which has to know what it is asked for."""
    said(alone, "reproduce", "fig1-synthetic", "--sets=2", "--max-iter=3", "--jobs=2", "--out", tmp_path / "figure")
    assert {"fig1-synthetic.pdf", "run.json"} <= {path.name for path in (tmp_path / "figure").iterdir()}


def test_the_window_opens_a_sample_and_closes(alone: dict[str, str], screen: str) -> None:
    app = subprocess.Popen([PROGRAM, FACES], env={**alone, "DISPLAY": screen}, stderr=subprocess.PIPE, text=True)
    try:
        [window] = driven(screen, app, "search", "--onlyvisible", "--name", "^faces.npz.*GSP Studio$").split() or [""]
        assert window, "the program ended before its window had the sample"
        # Ctrl+Q goes through all that closing by hand does, and ends the process.
        driven(screen, app, "windowfocus", "--sync", window)
        driven(screen, app, "key", "ctrl+q")
        _, told = app.communicate(timeout=60)
    finally:
        app.kill()
    assert app.returncode == 0, told
