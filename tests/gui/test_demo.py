"""The app's own entry: the demonstration that `script/run` plays without a display, and its bad ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def start(tmp_path: Path, *arguments: str, **env: str | None) -> subprocess.CompletedProcess[str]:
    """The app in a process of its own."""
    code = "import sys; from gsp_studio.gui.app import main; sys.exit(main(sys.argv[1:]))"
    merged = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "XDG_CONFIG_HOME": str(tmp_path / "config"), **env}
    kept = {name: value for name, value in merged.items() if value is not None}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=kept, check=False, timeout=300)


def test_demonstration_leaves_a_screenshot_and_the_exports(tmp_path: Path) -> None:
    folder = tmp_path / "shown here"
    done = start(tmp_path, "--demo", str(folder), "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(folder) in done.stdout
    assert "Traceback" not in done.stderr
    told = json.loads((folder / "run.json").read_text())
    assert told
    assert len(list((folder / "basis").glob("*.png"))) == 49
    with np.load(folder / "factors.npz") as factors:
        assert factors["W"].shape == (361, 49)
    screen = np.asarray(Image.open(folder / "screenshot.png").convert("RGB"))
    assert screen.shape == (900, 1440, 3)
    # The canvas, and basis images that reach white and black on it.
    assert (screen == (0x16, 0x18, 0x1C)).all(axis=2).mean() > 0.1
    middle = screen[200:500, 400:1000]
    assert middle.max() > 250
    assert (middle == 0).all(axis=2).mean() > 0.1


def test_demonstration_that_cannot_write_fails(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "montage.png").write_text("a dear picture")
    done = start(tmp_path, "--demo", str(folder), "--quick")
    assert done.returncode == 1
    assert "montage.png" in done.stdout
    assert (folder / "montage.png").read_text() == "a dear picture"
    assert not (folder / "run.json").exists()


def test_path_that_does_not_exist_opens_no_window(tmp_path: Path) -> None:
    done = start(tmp_path, str(tmp_path / "missing"))
    assert done.returncode == 2
    assert "missing does not exist" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_no_display_is_said_in_a_sentence(tmp_path: Path) -> None:
    done = start(tmp_path, DISPLAY=None, WAYLAND_DISPLAY=None, QT_QPA_PLATFORM=None)
    assert done.returncode == 2
    assert "no display" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
