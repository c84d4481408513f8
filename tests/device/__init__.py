"""A device for tests: a stand-in for CuPy whose launches run the kernels' own source on the processor."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from device import emulation, fake_cupy

#: Threads of blocks here: enough for two warps.
BLOCK = 2 * emulation.WARP


@contextmanager
def on_fake_device() -> Iterator[fake_cupy.Machine]:
    """`gsp_studio.backends` with a fake CuPy, as if nothing had been asked of it before; all is put back."""
    import gsp_studio.backends as backends

    machine = fake_cupy.Machine()
    cupy = fake_cupy.make(machine)
    mine = ("cupy", "gsp_studio.backends.cuda")
    before = {name: module for name, module in sys.modules.items() if name.startswith(mine)}
    package = backends.__dict__.get("cuda")
    for name in before:
        del sys.modules[name]
    sys.modules.update({"cupy": cupy, "cupy.cuda": cupy.cuda})
    _forget(backends)
    try:
        smaller(importlib.import_module)
        yield machine
    finally:
        for name in [name for name in sys.modules if name.startswith(mine)]:
            del sys.modules[name]
        sys.modules.update(before)
        if package is not None:
            backends.cuda = package
        _forget(backends)


def on_a_real_device() -> bool:
    """Whether "auto" is a CUDA device, and not the fake one."""
    import gsp_studio.backends as backends

    return backends.get_backend("auto").remote is not None and not hasattr(sys.modules["cupy"], "machine")


def smaller(imported) -> None:
    """Blocks and warps of a size that fibres can play."""
    driver, groups = (imported(f"gsp_studio.backends.cuda.{name}") for name in ("driver", "groups"))
    solver, path = (imported(f"gsp_studio.backends.cuda.{name}") for name in ("solver", "path"))
    driver.Device.of_cluster = driver.Device.small = driver.Device.large = BLOCK
    driver.Device.in_cluster = emulation.CLUSTER
    groups.WARP = path.WARP = solver.WARP = emulation.WARP
    solver._BLOCK = path._BLOCK = BLOCK


def _forget(backends) -> None:
    for function in (backends._on_host, backends._on_device, backends._problem):
        function.cache_clear()
