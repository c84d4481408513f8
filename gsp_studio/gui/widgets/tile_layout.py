"""Rows and columns of tiles: as large as a room allows."""

from __future__ import annotations

import numpy as np


def best_columns(count: int, pitch: tuple[int, int], gap: int, room: tuple[float, float]) -> int:
    """Number of columns that shows equal tiles largest, in reading order.

    Parameters
    ----------
    count : int
        Tiles.
    pitch : (x, y)
        Pixels from a tile to the next one, `gap` of them between the two.
    gap : int
    room : (width, height)
        Of what they are shown in, in any unit.

    Returns
    -------
    int
        At least 1. Of layouts with tiles of the same size the one with the fewest empty places, then the widest.
    """
    if count < 1 or min(room) <= 0:
        return 1
    columns = np.arange(count, 0, -1)
    rows = -(-count // columns)
    scales = np.minimum(room[0] / (columns * pitch[0] - gap), room[1] / (rows * pitch[1] - gap))
    empty = columns * rows - count
    largest = np.flatnonzero(scales >= scales.max() * (1 - 1e-9))
    return int(columns[largest[np.argmin(empty[largest])]])
