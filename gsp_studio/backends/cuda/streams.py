"""Images that the device does not hold: the same kernels, one block of images after another.

Two blocks are on the device. While one is computed with, the next is read, laid into pinned memory and copied on the
transfer stream. Coefficients stay on the device; sums over blocks are taken in float64, in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gsp_studio.backends.backend import Array, Backend
from gsp_studio.backends.blocks import BlockMatrix, Rows
from gsp_studio.backends.cuda.driver import Device, cp
from gsp_studio.backends.kernels import streaming as on_blocks


def streamed_from(Xt: Array) -> Rows:
    """Images of the host, rows of Xt, as data that are read some at a time."""

    def read(start: int, stop: int, out: Array) -> None:
        np.copyto(out, Xt[start:stop])

    return Rows(BlockMatrix((Xt.shape[1], Xt.shape[0]), Xt.dtype, read))


def blocks_on(device: Device, Xt: Rows) -> Iterator[tuple[slice, Any]]:
    """One pass: blocks of images as rows (k, m) on the device, and which they are; good until the next one."""
    m, n, X = Xt.shape[1], len(Xt), Xt.T
    shape = (min(n, X.images_at_once), m)
    hosts = [device.pinned(shape, X.dtype) for _ in range(2)]
    there = [cp.empty(shape, X.dtype) for _ in range(2)]
    copied: list[Any] = [None, None]
    used: list[Any] = [None, None]
    before: tuple[slice, int] | None = None
    # The first kernels that write these two blocks' memory for others must have ended before it is overwritten.
    start = cp.cuda.Event(disable_timing=True)
    start.record()
    device.side.wait_event(start)
    try:
        for turn, (some, block) in enumerate(X.blocks()):
            k, count = turn % 2, some.stop - some.start
            if copied[k] is not None:
                copied[k].synchronize()  # the pinned memory is free again
                device.side.wait_event(used[k])  # and so is the block on the device
            np.copyto(hosts[k][:count], block)
            there[k][:count].set(hosts[k][:count], stream=device.side)
            copied[k] = cp.cuda.Event(disable_timing=True)
            copied[k].record(device.side)
            if before is not None:
                yield _given(before, there, copied)
                used[before[1]] = _now()
            before = some, k
        if before is not None:
            yield _given(before, there, copied)
    finally:
        device.side.synchronize()  # a pass that is given up must not write into memory that is used again


def _given(which: tuple[slice, int], there: list[Any], copied: list[Any]) -> tuple[slice, Any]:
    some, k = which
    cp.cuda.get_current_stream().wait_event(copied[k])
    return some, there[k][: some.stop - some.start]


def _now() -> Any:
    event = cp.cuda.Event(disable_timing=True)
    event.record()
    return event


def streaming(backend: Backend, device: Device) -> Backend:
    """A backend of the device whose kernels take `Rows` for Xt."""
    return on_blocks(backend, lambda Xt: blocks_on(device, Xt), cp)
