"""The device itself: the one module that imports CuPy.

The presence of a device or the reason of its absence, compiled kernels and their launches, transfers, memory. Kernels
are CUDA C in the `.cu` files of this folder, joined to one program and compiled by CuPy when they are first used. All
work is on CuPy's default stream, in order; only transfers to and from the host have a stream of their own.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import cupy as cp
import numpy as np
import numpy.typing as npt
from cupy.cuda import driver as api

from gsp_studio.backends.backend import Array, BackendUnavailable, OutOfDeviceMemory

__all__ = ["Device", "Transfer", "cp", "device_name", "problem", "source"]

#: The program, in the order in which its files are joined.
SOURCES = ("common", "root", "project", "steps", "price", "columns", "solver", "path")
#: The oldest compute capability: older ones lack the instruction that waits, and CUDA 13 does not know them.
OLDEST = 70
#: The first compute capability with clusters of blocks.
CLUSTERS_FROM = 90
#: Shared memory that a block has without asking for more.
_PLAIN_SHARED = 48 * 1024
#: Share of the free memory that a run may count on: the pool rounds up, and the display needs some.
_USABLE = 0.9
#: Settings by which users make float32 products faster and coarser, everywhere.
_TF32 = ("CUPY_TF32", "NVIDIA_TF32_OVERRIDE")


@cache
def source() -> str:
    """The whole program in CUDA C."""
    folder = Path(__file__).parent
    return "\n".join((folder / f"{name}.cu").read_text(encoding="utf-8") for name in SOURCES)


def problem(index: int) -> str:
    """Return why the device of that number cannot be used, as the end of a sentence; "" where it can."""
    try:
        count = cp.cuda.runtime.getDeviceCount()
    except cp.cuda.runtime.CUDARuntimeError as error:
        return _why_none(str(error))
    if count == 0:
        return "there is no CUDA device"
    if index >= count:
        found = "the only one is cuda:0" if count == 1 else f"accepted are cuda:0 to cuda:{count - 1}"
        return f"there is no device {index}; {found}"
    capability = int(cp.cuda.Device(index).compute_capability)
    if capability < OLDEST:
        name = device_name(index)
        return f"{name} is too old: compute capability {capability / 10}; accepted is {OLDEST / 10} or newer"
    return ""


def _why_none(error: str) -> str:
    if "InsufficientDriver" not in error:
        return "there is no CUDA device" if "NoDevice" in error else f"CUDA does not start ({error})"
    version = cp.cuda.runtime.driverGetVersion()
    if version == 0:
        return "there is no NVIDIA driver"
    needed = cp.cuda.runtime.runtimeGetVersion()
    return f"the NVIDIA driver is too old: it knows CUDA {_dotted(version)}, CuPy needs {_dotted(needed)}"


def _dotted(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"


def device_name(index: int) -> str:
    """The name of the device."""
    name = cp.cuda.runtime.getDeviceProperties(index)["name"]
    return name.decode() if isinstance(name, bytes) else str(name)


class Device:
    """One CUDA device.

    Attributes
    ----------
    index : int
    name : str
        As its maker calls it.
    multiprocessors : int
    most_shared : int
        Bytes of shared memory that a block can have.
    cluster : int
        Blocks of a cluster; 0 where the device has none.
    """

    #: Threads of a block of the projection: of a cluster's, for little work, and for much.
    of_cluster, small, large = 256, 128, 1024
    #: Blocks of a cluster, where the device has clusters.
    in_cluster = 8

    def __init__(self, index: int) -> None:
        self.index = index
        self.name = device_name(index)
        attributes = cp.cuda.Device(index).attributes
        self.multiprocessors = int(attributes["MultiProcessorCount"])
        self.most_shared = int(attributes["MaxSharedMemoryPerBlockOptin"])
        #: Whether blocks may wait for each other; where not, one works alone.
        self.can_wait = bool(attributes.get("CooperativeLaunch", 1))
        has_clusters = int(cp.cuda.Device(index).compute_capability) >= CLUSTERS_FROM
        self.cluster = self.in_cluster if has_clusters else 0
        self._modules: dict[str, Any] = {}
        self._kernels: dict[tuple[str, str], Any] = {}
        self._granted: dict[tuple[str, str], int] = {}
        self._residents: dict[tuple[str, str, int, int], int] = {}
        self._compiling = threading.local()
        with self.scope():
            self.side = cp.cuda.Stream(non_blocking=True)
            try:
                self._try()
            except Exception as error:  # compiler and libraries come from other packages, in many versions
                reason = " ".join(str(error).split())
                raise BackendUnavailable(f"backend cuda cannot run here: CuPy does not work ({reason})") from error

    def _try(self) -> None:
        """Compile the kernels and multiply something, so that missing libraries are found now."""
        self._kernel("float", "project")
        one = cp.ones((2, 2), np.float32)
        self.get(one @ one)

    def text(self) -> str:
        """The device in words, with the precision of its products."""
        coarse = [name for name in _TF32 if os.environ.get(name, "0") not in ("", "0")]
        return self.name + (f", float32 products in TF32 as {coarse[0]} asks" if coarse else "")

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Entered around all work on the device: out of memory becomes one sentence, and the pools are freed."""
        try:
            with cp.cuda.Device(self.index):
                yield
        except cp.cuda.memory.OutOfMemoryError as error:
            self.release()
            free = self.memory()[0] / 1e9
            raise OutOfDeviceMemory(
                f"the memory of {self.name} is full ({free:.1f} GB are free); the CPU can compute this"
            ) from error

    def release(self) -> None:
        """Give memory that is not in use back to the device, and pinned memory to the computer."""
        with cp.cuda.Device(self.index):
            cp.get_default_memory_pool().free_all_blocks()
            cp.get_default_pinned_memory_pool().free_all_blocks()

    def memory(self) -> tuple[int, int]:
        """Bytes that are free or can be freed at once, and bytes in all."""
        with cp.cuda.Device(self.index):
            free, total = cp.cuda.runtime.memGetInfo()
            return int(free) + int(cp.get_default_memory_pool().free_bytes()), int(total)

    def has_room_for(self, nbytes: int) -> bool:
        """Whether so many bytes fit beside the present ones."""
        return nbytes <= _USABLE * self.memory()[0]

    # Kernels

    def launch(
        self,
        name: str,
        dtype: npt.DTypeLike,
        grid: tuple[int, ...],
        block: int,
        arguments: Sequence[Any],
        shared: int = 0,
        together: bool = False,
    ) -> None:
        """Start a kernel; `together`: all of its blocks are on the device at once and may wait for each other."""
        kernel = self._granted_kernel((_ctype(dtype), name), shared)
        if together:
            # Not `enable_cooperative_groups` of the module: that asks the linker for a library that wheels lack.
            kernel.kernel(grid, (block,), tuple(arguments), shared_mem=shared, enable_cooperative_groups=True)
        else:
            kernel(grid, (block,), tuple(arguments), shared_mem=shared)

    def most_together(self, name: str, dtype: npt.DTypeLike, block: int, shared: int) -> int:
        """Blocks of a kernel that are on the device at once and can wait for each other."""
        if not self.can_wait:
            return 1
        key = (_ctype(dtype), name, block, shared)
        if key not in self._residents:
            function = self._granted_kernel(key[:2], shared).kernel
            each = api.occupancyMaxActiveBlocksPerMultiprocessor(function.ptr, block, shared)
            self._residents[key] = max(1, int(each) * self.multiprocessors)
        return self._residents[key]

    def _granted_kernel(self, key: tuple[str, str], shared: int) -> Any:
        """A kernel whose blocks may have so many bytes of shared memory; without that none of them fit."""
        kernel = self._kernel(*key)
        if shared > max(_PLAIN_SHARED, self._granted.get(key, 0)):
            kernel.max_dynamic_shared_size_bytes = shared
            self._granted[key] = shared
        return kernel

    def _kernel(self, ctype: str, name: str) -> Any:
        if (ctype, name) not in self._kernels:
            started = time.perf_counter()
            if ctype not in self._modules:
                self._modules[ctype] = cp.RawModule(code=source(), options=(f"-DREAL={ctype}", "-std=c++14"))
            self._kernels[ctype, name] = self._modules[ctype].get_function(name)  # the first one compiles all of them
            self._compiling.seconds = self._compiled_seconds() + time.perf_counter() - started
        return self._kernels[ctype, name]

    def _compiled_seconds(self) -> float:
        return float(getattr(self._compiling, "seconds", 0.0))

    def clock(self) -> float:
        """As ``time.perf_counter``, and stands still while this thread compiles kernels."""
        return time.perf_counter() - self._compiled_seconds()

    # Arrays

    def put(self, array: Any) -> Any:
        """An array of the host on the device, C-contiguous; one of the device as it is."""
        if isinstance(array, cp.ndarray):
            return array
        return cp.asarray(np.ascontiguousarray(array))

    def empty(self, size: int, dtype: npt.DTypeLike) -> Any:
        """A flat array of the device that holds nothing yet."""
        return cp.empty(size, dtype)

    def get(self, array: Any) -> Array:
        """An array of the device on the host; waits for it."""
        host: Array = cp.asnumpy(array)
        return host

    def pinned(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Memory of the host that transfers run beside."""
        count = int(np.prod(shape, dtype=np.int64))
        memory = cp.cuda.alloc_pinned_memory(max(1, count * np.dtype(dtype).itemsize))
        found: Array = np.frombuffer(memory, dtype, count).reshape(shape)
        return found


def _ctype(dtype: npt.DTypeLike) -> str:
    return "float" if np.dtype(dtype) == np.float32 else "double"


class Transfer:
    """Arrays on their way from the device to the host, beside the next computation.

    The first access waits for it. The arrays of the device are kept until it has ended: their memory would be
    used again while it is read.
    """

    def __init__(self, device: Device, arrays: Sequence[Any]) -> None:
        self._device, self._arrays = device, tuple(arrays)
        self._ready: Any = None
        self._done: Any = None
        self._found: tuple[Array, ...] | None = None
        with device.scope():
            self._ready = cp.cuda.Event(disable_timing=True)
            self._ready.record()

    def begin(self) -> None:
        """Start it, unless it was started before."""
        if self._done is not None or self._found is not None:
            return
        device = self._device
        with device.scope():
            device.side.wait_event(self._ready)
            found = []
            for array in self._arrays:
                host = device.pinned(array.shape, array.dtype)
                array.get(stream=device.side, out=host, blocking=False)
                found.append(host)
            done = cp.cuda.Event(disable_timing=True)
            done.record(device.side)
        self._pending, self._done = tuple(found), done

    def __del__(self) -> None:
        # The host's memory must not be used again while the device writes into it.
        if self._done is not None and self._found is None:
            self._done.synchronize()

    def wait(self) -> tuple[Array, ...]:
        """The arrays on the host."""
        if self._found is None:
            self.begin()
            self._done.synchronize()
            self._found, self._arrays = self._pending, ()
        return self._found
