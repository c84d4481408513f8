"""Draws the sample data sets: ``python sample_data/draw.py [FOLDER]`` writes swimmer.npz and faces.npz.

Both are drawn by this script alone, from a fixed seed, so they are free to use and can be checked. Swimmer is the
classic test of parts-based factorization (Donoho & Stodden 2003): every combination of four limbs in four positions.
The faces have parts that vary on their own (brows, eyes, nose, mouth, chin, hair) under light from any side.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

SEED = 20220412
FACES = 2000
SIDE = 19
#: A face is drawn this many times larger and averaged down, which gives soft edges.
FINE = 4


def swimmer() -> np.ndarray:
    """256 images (256, 32, 32), uint8: a torso and four limbs, each in one of four positions."""
    torso = np.zeros((32, 32), np.uint8)
    torso[10:23, 15:17] = 255
    # Away from the middle, straight, to the side, and half-way back: no two limbs ever meet.
    directions = [[(-1, -1), (-1, 0), (0, -1), (0.45, -1)], [(-1, 1), (-1, 0), (0, 1), (0.45, 1)]]
    limbs = []
    for row, vertical in ((11, 1), (21, -1)):
        for side, column in ((0, 13), (1, 18)):
            images = []
            for down, right in directions[side]:
                image = np.zeros((32, 32), np.uint8)
                for step in range(9):
                    y, x = row + round(vertical * down * step), column + right * step
                    image[y : y + 2, x] = 255
                images.append(image)
            limbs.append(images)
    combinations = np.stack(np.meshgrid(*[range(4)] * 4, indexing="ij"), -1).reshape(-1, 4)
    return np.stack([np.maximum.reduce([torso, *(limbs[k][p] for k, p in enumerate(c))]) for c in combinations])


def soft(distance: np.ndarray, edge: float) -> np.ndarray:
    """1 inside (distance < 0), 0 outside, with a smooth edge of that width."""
    return 1.0 / (1.0 + np.exp(np.clip(distance / edge, -30, 30)))


def ellipse(y: np.ndarray, x: np.ndarray, cy: float, cx: float, ry: float, rx: float, edge: float) -> np.ndarray:
    """A soft filled ellipse; all lengths as fractions of the image's side."""
    return soft((np.hypot((y - cy) / ry, (x - cx) / rx) - 1.0) * min(ry, rx), edge)


def face(rng: np.random.Generator) -> np.ndarray:
    """One face (SIDE, SIDE), float in [0, 1]."""
    grid = (np.arange(SIDE * FINE) + 0.5) / (SIDE * FINE)
    y, x = np.meshgrid(grid, grid, indexing="ij")
    y = y - rng.normal(0, 0.012)
    x = x - rng.normal(0, 0.012)
    skin = rng.uniform(0.6, 0.95)
    image = np.full_like(y, rng.uniform(0.02, 0.3))

    head = ellipse(y, x, 0.52, 0.5, rng.uniform(0.5, 0.58), rng.uniform(0.40, 0.48), 0.02)
    image += head * (skin - image)
    image = _features(rng, image, y, x, skin)
    # Hair: a cap with its own height, tone and parting; some faces have none.
    if rng.random() < 0.8:
        line = rng.uniform(0.06, 0.2) + rng.uniform(-0.3, 0.3) * (x - 0.5) + 0.6 * (x - 0.5) ** 2
        image += soft(y - line, 0.02) * (rng.uniform(0.03, 0.45) - image)
    # Light: from a side and from above or below, and a highlight of the forehead.
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.75)
    slope = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)
    image = image * (1.0 + strength * 1.3 * slope) * rng.uniform(0.75, 1.05)
    small = image.reshape(SIDE, FINE, SIDE, FINE).mean(axis=(1, 3))
    return np.clip(small + rng.normal(0, 0.008, small.shape), 0.0, 1.0)


def _features(rng: np.random.Generator, image: np.ndarray, y: np.ndarray, x: np.ndarray, skin: float) -> np.ndarray:
    """Brows, eyes, nose, cheeks, mouth and chin; each varies on its own."""
    dark = rng.uniform(0.05, 0.4)
    eye_y, apart = rng.uniform(0.38, 0.43), rng.uniform(0.19, 0.23)
    brow_y = eye_y - rng.uniform(0.09, 0.15)
    tilt, brow, open_eyes = rng.uniform(-0.25, 0.25), rng.uniform(0.2, 0.95), rng.uniform(0.025, 0.06)
    look = rng.uniform(-0.03, 0.03)
    for side in (-1, 1):
        cx = 0.5 + side * apart
        image = image - 0.25 * skin * ellipse(y, x, eye_y, cx, 0.10, 0.15, 0.035)  # the socket's shade
        image = image + ellipse(y, x, eye_y, cx, open_eyes, 0.105, 0.012) * (0.95 - image) * 0.75
        iris = ellipse(y, x, eye_y, cx + look, min(open_eyes + 0.015, 0.055), 0.045, 0.012)
        image = image + iris * (0.04 - image)
        line = brow_y + side * tilt * (x - cx)
        bar = soft(np.abs(y - line) - 0.022, 0.012) * soft(np.abs(x - cx) - 0.13, 0.012)
        image = image + brow * bar * (dark - image)
        cheek = rng.uniform(0, 0.18)
        image = image + cheek * (1 - image) * ellipse(y, x, 0.60, 0.5 + side * 0.25, 0.09, 0.10, 0.04)
    length, width = rng.uniform(0.14, 0.22), rng.uniform(0.05, 0.1)
    image = image + rng.uniform(0.1, 0.6) * (1 - image) * ellipse(y, x, 0.5, 0.5, length, 0.035, 0.02)
    image = image - rng.uniform(0.2, 0.5) * skin * ellipse(y, x, 0.5 + 0.75 * length, 0.5, 0.022, width, 0.014)
    mouth_y, half = rng.uniform(0.76, 0.82), rng.uniform(0.11, 0.2)
    smile, gape = rng.uniform(-0.9, 1.6), rng.uniform(0.012, 0.05)
    line = mouth_y - smile * (x - 0.5) ** 2
    lips = soft(np.abs(y - line) - gape, 0.014) * soft(np.abs(x - 0.5) - half, 0.014)
    image = image + lips * (rng.uniform(0.12, 0.4) - image)
    if rng.random() < 0.35 and gape > 0.025:
        teeth = soft(np.abs(y - line + 0.012) - 0.4 * gape, 0.01) * soft(np.abs(x - 0.5) - 0.75 * half, 0.01)
        image = image + teeth * (0.95 - image)
    beard = rng.uniform(0.3, 0.85) if rng.random() < 0.25 else 0.0
    jaw = soft(0.70 - y + 0.9 * (0.12 - np.abs(x - 0.5)).clip(0), 0.03) * (1 - lips)
    return image + beard * jaw * (dark - image) * (image > 0.3)


def faces() -> np.ndarray:
    """FACES images (FACES, SIDE, SIDE), uint8."""
    rng = np.random.default_rng(SEED)
    return np.stack([np.round(255 * face(rng)).astype(np.uint8) for _ in range(FACES)])


def main(folder: Path) -> None:
    """Write both sets into `folder`."""
    for name, images in (("swimmer", swimmer()), ("faces", faces())):
        np.savez_compressed(folder / f"{name}.npz", images=images)
        print(f"{name}: {images.shape}, {(folder / f'{name}.npz').stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
