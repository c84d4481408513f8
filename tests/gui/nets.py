"""Small networks as files, for the tests of the Networks view."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Two convolutions, a bias, a norm, two linear layers."""
    rng = np.random.default_rng(seed)
    shapes = {
        "conv1.weight": (8, 3, 3, 3),
        "conv1.bias": (8,),
        "bn1.weight": (8,),
        "block.conv2.weight": (12, 8, 3, 3),
        "block.conv3.weight": (10, 12, 3, 3),
        "fc.weight": (10, 90),
    }
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def npz(folder: Path, seed: int = 0, name: str = "small.npz") -> Path:
    """Of NumPy."""
    np.savez(folder / name, **weights(seed))
    return folder / name


def safetensors(folder: Path, seed: int = 0) -> Path:
    """Of safetensors."""
    from safetensors.numpy import save_file

    save_file(weights(seed), folder / "small.safetensors")
    return folder / "small.safetensors"
