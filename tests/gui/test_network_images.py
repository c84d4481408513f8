"""Images that a network is evaluated on, as the Networks view reads and names them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gsp_studio.gui.network import compute
from gsp_studio.gui.network.state import NetworkSettings
from gsp_studio.pruning import open_checkpoint


def test_jpeg_images_are_told(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", **{"fc.weight": rng.normal(size=(2, 16)).astype(np.float32)})
    for k in range(6):
        folder = tmp_path / "photos" / str(k % 2)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (4, 4), np.uint8)).save(folder / f"{k}.jpg")
    checkpoint = open_checkpoint(tmp_path / "a.npz")
    choice = NetworkSettings(0.5)
    path, words = compute.sorted_path(checkpoint, choice), []
    found = compute.accuracies(checkpoint, path, choice, "fc.weight", tmp_path / "photos", lambda: False, words.append)
    next(found)
    assert "these images are JPEG" in words[0]
