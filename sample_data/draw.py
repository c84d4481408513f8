"""Draws the sample data sets: ``python sample_data/draw.py [FOLDER]`` writes swimmer.npz and faces.npz.

Both are drawn by this script alone, from a fixed seed, so they are free to use and can be checked. Swimmer is the
classic test of parts-based factorization (Donoho & Stodden 2003): every combination of four limbs in four positions.
A face is a relief (head, brow ridge, sockets, nose, cheeks, lips, chin) with a tone at every point (skin, hair, brows,
eyes, lips, beard), lit from any side: each part varies on its own, and so does the light.
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


def face(rng: np.random.Generator) -> np.ndarray:
    """One face (SIDE, SIDE), float in [0, 1]."""
    grid = (np.arange(SIDE * FINE) + 0.5) / (SIDE * FINE)
    y, x = np.meshgrid(grid + rng.normal(0, 0.01), grid + rng.normal(0, 0.01), indexing="ij")
    parts = _draw_parts(rng)
    head = ellipse(y, x, 0.5, 0.5, parts["tall"], parts["wide"], 0.02)
    lit = _shade(rng, _relief(parts, y, x))
    image = _tones(rng, parts, y, x) * lit
    image = head * image + (1 - head) * rng.uniform(0.0, 0.25)
    image = _hair(rng, image, y, x)
    small = image.reshape(SIDE, FINE, SIDE, FINE).mean(axis=(1, 3)) * rng.uniform(0.85, 1.1)
    return np.clip(small + rng.normal(0, 0.004, small.shape), 0.0, 1.0)


def soft(distance: np.ndarray, edge: float) -> np.ndarray:
    """1 inside (distance < 0), 0 outside, with a smooth edge of that width."""
    return 1.0 / (1.0 + np.exp(np.clip(distance / edge, -30, 30)))


def ellipse(y: np.ndarray, x: np.ndarray, cy: float, cx: float, ry: float, rx: float, edge: float) -> np.ndarray:
    """A soft filled ellipse; all lengths as fractions of the image's side."""
    return soft((np.hypot((y - cy) / ry, (x - cx) / rx) - 1.0) * min(ry, rx), edge)


def bump(y: np.ndarray, x: np.ndarray, cy: float, cx: float, ry: float, rx: float) -> np.ndarray:
    """A Gaussian hill of height 1."""
    return np.exp(-0.5 * (((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2))


def _draw_parts(rng: np.random.Generator) -> dict[str, float]:
    """Where the parts of one face lie and how large they are; each is drawn on its own."""
    eyes = rng.uniform(0.36, 0.42)
    return {
        "tall": rng.uniform(0.54, 0.62),
        "wide": rng.uniform(0.43, 0.51),
        "eyes": eyes,
        "apart": rng.uniform(0.19, 0.23),
        "open": rng.uniform(0.022, 0.055),
        "brows": eyes - rng.uniform(0.09, 0.15),
        "nose": rng.uniform(0.56, 0.64),
        "nose_width": rng.uniform(0.05, 0.085),
        "mouth": rng.uniform(0.75, 0.81),
        "mouth_width": rng.uniform(0.11, 0.20),
        "smile": rng.uniform(-0.9, 1.6),
        "gape": rng.uniform(0.014, 0.05),
    }


def _relief(p: dict[str, float], y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Height above the image plane, in fractions of its side."""
    round_head = 1.0 - ((y - 0.5) / (1.25 * p["tall"])) ** 2 - ((x - 0.5) / (1.2 * p["wide"])) ** 2
    z = 0.42 * np.sqrt(np.clip(round_head, 0.02, None))
    z = z + 0.030 * bump(y, x, p["brows"], 0.5, 0.035, 0.26)
    for side in (-1, 1):
        cx = 0.5 + side * p["apart"]
        z = z - 0.035 * bump(y, x, p["eyes"], cx, 0.055, 0.085)
        z = z + 0.028 * bump(y, x, 0.58, 0.5 + side * 0.25, 0.07, 0.08)
    ridge = soft(y - p["nose"], 0.02) * soft(p["eyes"] - 0.04 - y, 0.04)
    z = z + (0.04 + 0.10 * (y - p["eyes"]).clip(0)) * ridge * np.exp(-0.5 * ((x - 0.5) / p["nose_width"]) ** 2)
    z = z + 0.020 * bump(y, x, p["mouth"], 0.5, 0.045, p["mouth_width"])
    return z + 0.035 * bump(y, x, 0.93, 0.5, 0.05, 0.11)


def _shade(rng: np.random.Generator, z: np.ndarray) -> np.ndarray:
    """Light on a relief: a matt surface (Lambert) under one lamp from any side, and light from everywhere."""
    dy, dx = np.gradient(z, 1.0 / len(z))
    around, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 1.2)
    lamp = np.array([np.sin(around), np.cos(around), np.tan(height)])
    facing = (-dy * lamp[0] - dx * lamp[1] + lamp[2]) / np.sqrt(1.0 + dy**2 + dx**2) / np.linalg.norm(lamp)
    everywhere = rng.uniform(0.25, 0.6)
    return everywhere + (1.0 - everywhere) * facing.clip(0)


def _tones(rng: np.random.Generator, p: dict[str, float], y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """How bright every point is by itself: skin with brows, eyes, nostrils, lips and perhaps a beard."""
    skin, dark = rng.uniform(0.65, 1.0), rng.uniform(0.05, 0.4)
    tone = np.full_like(y, skin)
    tilt, brow, look = rng.uniform(-0.25, 0.25), rng.uniform(0.2, 0.95), rng.uniform(-0.03, 0.03)
    for side in (-1, 1):
        cx = 0.5 + side * p["apart"]
        tone = tone + ellipse(y, x, p["eyes"], cx, p["open"], 0.10, 0.012) * (1.0 - tone) * 0.8
        iris = ellipse(y, x, p["eyes"], cx + look, min(p["open"] + 0.012, 0.05), 0.042, 0.012)
        tone = tone + iris * (0.05 - tone)
        bar = soft(np.abs(y - p["brows"] - side * tilt * (x - cx)) - 0.022, 0.012)
        hairs = bar * soft(np.abs(x - cx) - 0.12, 0.015)
        tone = tone + brow * hairs * (dark - tone)
        nostril = ellipse(y, x, p["nose"] + 0.02, 0.5 + side * 0.8 * p["nose_width"], 0.018, 0.03, 0.012)
        tone = tone - 0.6 * nostril * tone
    line = p["mouth"] - p["smile"] * (x - 0.5) ** 2
    lips = soft(np.abs(y - line) - p["gape"], 0.014) * soft(np.abs(x - 0.5) - p["mouth_width"], 0.014)
    tone = tone + lips * (rng.uniform(0.12, 0.45) * skin - tone)
    if rng.random() < 0.35 and p["gape"] > 0.025:
        row = soft(np.abs(y - line + 0.01) - 0.4 * p["gape"], 0.01)
        teeth = row * soft(np.abs(x - 0.5) - 0.75 * p["mouth_width"], 0.01)
        tone = tone + teeth * (1.0 - tone)
    beard = rng.uniform(0.3, 0.8) if rng.random() < 0.25 else 0.0
    jaw = soft(0.70 - y + 0.9 * (0.12 - np.abs(x - 0.5)).clip(0), 0.03) * (1 - lips)
    return tone + beard * jaw * (dark - tone)


def _hair(rng: np.random.Generator, image: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A cap with its own height, tone and parting; some faces have none."""
    if rng.random() < 0.2:
        return image
    line = rng.uniform(0.03, 0.16) + rng.uniform(-0.25, 0.25) * (x - 0.5) + rng.uniform(0.2, 1.2) * (x - 0.5) ** 2
    return image + soft(y - line, 0.02) * (rng.uniform(0.02, 0.35) - image)


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
