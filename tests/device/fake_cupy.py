"""A stand-in for CuPy on a computer without a device: the part of its interface that the backend uses, and no more.

Arrays live apart from NumPy's: mixing the two is an error, as there. Launches run the kernels' own source, compiled for
the processor (`emulation`), after checking what a device checks: types and sizes of arguments, grid, block, shared
memory, blocks that are there at once. Transfers on a stream happen when they are waited for, not before. Memory is
counted, and can be full.
"""

from __future__ import annotations

import ctypes
import re
import types
import weakref
from importlib.machinery import ModuleSpec

import numpy as np

from device import emulation

_CTYPES = {"float": np.float32, "double": np.float64, "integer": np.int64, "unsigned int": np.uint32}
_CTYPES["unsigned char"] = np.uint8


class OutOfMemoryError(MemoryError):
    """As ``cupy.cuda.memory.OutOfMemoryError``."""


class CUDARuntimeError(RuntimeError):
    """As ``cupy.cuda.runtime.CUDARuntimeError``."""


class Machine:
    """What the device is like, and what has been asked of it; one for each fake."""

    def __init__(self) -> None:
        self.count, self.driver, self.capability, self.error = 1, 12080, "86", ""
        self.total, self.used, self.peak = 1 << 30, 0, 0
        self.cooperates = 1
        self.multiprocessors, self.blocks_of_each, self.optin = 3, 1, 99 * 1024
        self.held = -1  # a block that goes on only when no other can
        self.launches: list[str] = []
        self.most_blocks: dict[str, int] = {}
        self.freed = 0
        self.uploaded, self.downloaded = 0, 0
        self.current: list[int] = [0]
        self.broken_compiler = ""

    def allocate(self, nbytes: int) -> None:
        if self.used + nbytes > self.total:
            raise OutOfMemoryError(f"Out of memory allocating {nbytes:,} bytes (allocated so far: {self.used:,} bytes)")
        self.used += nbytes
        self.peak = max(self.peak, self.used)

    def free(self, nbytes: int) -> None:
        self.used -= nbytes


class Stream:
    """Work in order, done when it is waited for; the default stream does it at once."""

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None) -> None:
        self._eager, self._work, self._done = null, [], 0

    def enqueue(self, work) -> None:
        self._work.append(work)
        if self._eager:
            self.run(len(self._work))

    def run(self, until: int) -> None:
        while self._done < until:
            self._work[self._done]()
            self._work[self._done] = None
            self._done += 1

    def position(self) -> int:
        return len(self._work)

    def wait_event(self, event) -> None:
        assert event.stream is not None, "an event that was never recorded"
        self.enqueue(event.synchronize)

    def synchronize(self) -> None:
        self.run(len(self._work))


class Event:
    """A place in a stream's work."""

    def __init__(self, block=False, disable_timing=False, interprocess=False) -> None:
        self.stream, self.at = None, 0

    def record(self, stream=None) -> None:
        self.stream = DEFAULT if stream is None else stream
        self.at = self.stream.position()

    def synchronize(self) -> None:
        assert self.stream is not None, "an event that was never recorded"
        self.stream.run(self.at)


DEFAULT = Stream(null=True)


def make(machine: Machine) -> types.ModuleType:
    """A module that can stand in for ``cupy``."""
    cp = types.ModuleType("cupy")
    cp.machine, cp.__version__, cp.__spec__ = machine, "14.0.0", ModuleSpec("cupy", None)

    class Ndarray:
        def __init__(self, array: np.ndarray, base=None) -> None:
            self._a, self._base = array, base
            if base is None:
                machine.allocate(array.nbytes)
                weakref.finalize(self, machine.free, array.nbytes)

        shape = property(lambda self: self._a.shape)
        size = property(lambda self: self._a.size)
        ndim = property(lambda self: self._a.ndim)
        dtype = property(lambda self: self._a.dtype)
        nbytes = property(lambda self: self._a.nbytes)
        flags = property(lambda self: self._a.flags)
        T = property(lambda self: self._view(self._a.T))

        def _view(self, array):
            return Ndarray(array, self)

        def __array__(self, *_args, **_options):
            raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

        __array_ufunc__ = None

        def __len__(self):
            return len(self._a)

        def __getitem__(self, key):
            basic = all(isinstance(k, (int, slice, np.integer, type(None))) for k in _tuple(key))
            found = self._a[_plain(key)]
            found = np.asarray(found)
            return self._view(found) if basic else Ndarray(found)

        def __setitem__(self, key, value):
            self._a[_plain(key)] = _plain(value)

        def __bool__(self):
            return bool(self._a)

        def reshape(self, *shape):
            found = self._a.reshape(*shape)
            return self._view(found) if np.shares_memory(found, self._a) or not found.size else Ndarray(found)

        def copy(self, order="C"):
            return Ndarray(self._a.copy(order))

        def astype(self, dtype, copy=True):
            return Ndarray(self._a.astype(dtype))

        def max(self, axis=None):
            return Ndarray(np.asarray(self._a.max(axis=axis)))

        def get(self, stream=None, order="C", out=None, blocking=True):
            into = np.empty(self.shape, self.dtype) if out is None else out
            assert into.shape == self.shape
            assert into.dtype == self.dtype
            machine.downloaded += self.nbytes

            def work() -> None:
                into[...] = self._a

            where = DEFAULT if stream is None else stream
            where.enqueue(work)
            if blocking:
                where.synchronize()
            return into

        def set(self, arr, stream=None):
            assert isinstance(arr, np.ndarray)
            assert arr.shape == self.shape
            assert arr.dtype == self.dtype
            assert self._a.flags.c_contiguous
            machine.uploaded += self.nbytes

            def work() -> None:
                self._a[...] = arr

            (DEFAULT if stream is None else stream).enqueue(work)

    def _binary(name):
        def method(self, other):
            return Ndarray(np.asarray(getattr(self._a, name)(_plain(other))))

        return method

    def _in_place(name):
        def method(self, other):
            getattr(self._a, name)(_plain(other))
            return self

        return method

    for name in ("add", "sub", "mul", "truediv", "radd", "rsub", "rmul", "rtruediv", "matmul", "gt", "lt", "ge", "le"):
        setattr(Ndarray, f"__{name}__", _binary(f"__{name}__"))
    for name in ("iadd", "isub", "imul"):
        setattr(Ndarray, f"__{name}__", _in_place(f"__{name}__"))
    Ndarray.__neg__ = lambda self: Ndarray(-self._a)

    def _tuple(key):
        return key if isinstance(key, tuple) else (key,)

    def _plain(value):
        if isinstance(value, tuple):
            return tuple(_plain(v) for v in value)
        if isinstance(value, np.ndarray) and value.ndim:
            raise TypeError(f"Unsupported type {type(value)}")
        return value._a if isinstance(value, Ndarray) else value

    def _new(function):
        return lambda *args, **options: Ndarray(np.asarray(function(*(_plain(a) for a in args), **options)))

    cp.ndarray = Ndarray
    for name in (
        "empty",
        "zeros",
        "ones",
        "full",
        "empty_like",
        "zeros_like",
        "abs",
        "sort",
        "maximum",
        "where",
        "take",
    ):
        setattr(cp, name, _new(getattr(np, name)))
    cp.empty = lambda shape, dtype=np.float64: Ndarray(_junk(shape, dtype))
    cp.empty_like = lambda a: Ndarray(_junk(a.shape, a.dtype))
    cp.stack = lambda arrays: Ndarray(np.stack([_plain(a) for a in arrays]))

    def _junk(shape, dtype):
        found = np.empty(shape, dtype)
        found.view(np.uint8).reshape(-1)[...] = 0xFF  # NaN in floats: what is read and was never written is seen
        return found

    def lexsort(keys):
        assert isinstance(keys, Ndarray)
        assert keys.ndim == 2
        return Ndarray(np.lexsort(keys._a))

    def asarray(a, dtype=None):
        if isinstance(a, Ndarray):
            assert dtype is None
            return a
        machine.uploaded += np.asarray(a).nbytes
        return Ndarray(np.array(a, dtype=dtype, order="C"))

    def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
        return a.get(stream, order, out, blocking)

    def ascontiguousarray(a):
        return a if a.flags.c_contiguous else Ndarray(np.ascontiguousarray(a._a))

    def matmul(a, b, out=None):
        assert out is not None
        assert out.flags.c_contiguous
        np.matmul(_plain(a), _plain(b), out=_plain(out))
        return out

    cp.lexsort, cp.asarray, cp.asnumpy, cp.ascontiguousarray, cp.matmul = (
        lexsort,
        asarray,
        asnumpy,
        ascontiguousarray,
        matmul,
    )

    class Function:
        def __init__(self, module, signature) -> None:
            self.ptr, self._module, self._signature = id(self), module, signature
            self.granted = min(48 * 1024, machine.optin)
            functions[self.ptr] = self

        def __call__(self, grid, block, args, shared_mem=0, stream=None, enable_cooperative_groups=False):
            signature = self._signature
            assert isinstance(grid, tuple)
            assert isinstance(block, tuple)
            assert isinstance(args, tuple)
            grid, block = (*grid, 1, 1)[:3], (*block, 1, 1)[:3]
            assert all(isinstance(n, int) and n >= 1 for n in (*grid, *block)), (grid, block)
            assert grid[0] < 2**31
            assert max(grid[1:]) < 65536
            assert block[0] % emulation.WARP == 0
            assert block[0] <= min(1024, signature.most_threads)
            assert block[1:] == (1, 1)
            assert shared_mem <= self.granted <= machine.optin, f"{signature.name}: {shared_mem} bytes of shared memory"
            if enable_cooperative_groups:
                assert grid[0] <= machine.multiprocessors * machine.blocks_of_each, (
                    "too many blocks to be there at once"
                )
            assert len(args) == len(signature.types), (signature.name, len(args), len(signature.types))
            values = [self._value(kind, a, k) for k, (kind, a) in enumerate(zip(signature.types, args, strict=True))]
            pointers = (ctypes.c_void_p * len(values))(*(ctypes.cast(ctypes.byref(v), ctypes.c_void_p) for v in values))
            machine.launches.append(signature.name)
            machine.most_blocks[signature.name] = max(machine.most_blocks.get(signature.name, 0), grid[0])
            launch = getattr(self._module.library, f"launch_{signature.name}")
            size = ctypes.c_size_t(shared_mem)
            is_cluster = signature.name.endswith("_in_cluster")
            assert not is_cluster or (tuple(grid) == (emulation.CLUSTER, 1, 1) and int(machine.capability) >= 90)
            self._module.library.hold(machine.held)
            wrong = launch(*grid, block[0], size, int(enable_cooperative_groups or is_cluster), pointers)
            assert wrong != 1, f"{signature.name} waits for ever"
            assert wrong != 2, f"{signature.name} writes behind its shared memory"

        def _value(self, kind, value, k):
            where = f"argument {k} of {self._signature.name}"
            plain = kind.replace("const ", "").strip()
            if plain.endswith("*"):
                assert isinstance(value, Ndarray), where
                expected = np.dtype(self._module.real if plain[:-1] == "REAL" else _CTYPES[plain[:-1]])
                assert value.dtype == expected, f"{where} is {value.dtype}, the kernel takes {expected}"
                assert value.flags.c_contiguous, where
                return ctypes.c_void_p(value._a.ctypes.data)
            if plain == "integer":
                assert type(value) is int, f"{where} is {type(value)}"
                return ctypes.c_longlong(value)
            assert plain == "double"
            assert type(value) is float, f"{where} is {type(value)}"
            return ctypes.c_double(value)

    class RawKernel:
        def __init__(self, module, signature) -> None:
            self.kernel = Function(module, signature)

        def __call__(self, grid, block, args, *, shared_mem=0):
            self.kernel(grid, block, args, shared_mem=shared_mem)

        @property
        def max_dynamic_shared_size_bytes(self):
            return self.kernel.granted

        @max_dynamic_shared_size_bytes.setter
        def max_dynamic_shared_size_bytes(self, value):
            assert value <= machine.optin
            self.kernel.granted = value

    class RawModule:
        def __init__(self, code=None, *, options=()) -> None:
            real = next(re.fullmatch(r"-DREAL=(float|double)", option)[1] for option in options if "REAL" in option)
            self.real, self.library = _CTYPES[real], emulation.compiled(code, real)
            self._signatures = emulation.signatures(code)

        def get_function(self, name):
            if machine.broken_compiler:
                raise RuntimeError(machine.broken_compiler)
            return RawKernel(self, self._signatures[name])

    cp.RawModule = RawModule
    functions: dict[int, Function] = {}

    class Device:
        def __init__(self, device=None) -> None:
            self.id = 0 if device is None else device

        compute_capability = property(lambda self: machine.capability)
        attributes = property(
            lambda self: {
                "MultiProcessorCount": machine.multiprocessors,
                "CooperativeLaunch": machine.cooperates,
                "MaxSharedMemoryPerBlockOptin": machine.optin,
            }
        )

        def __enter__(self):
            machine.current.append(self.id)
            return self

        def __exit__(self, *_):
            machine.current.pop()

    def get_device_count():
        if machine.error:
            raise CUDARuntimeError(machine.error)
        return machine.count

    class Pool:
        def free_all_blocks(self):
            machine.freed += 1

        def free_bytes(self):
            return 0

    def occupancy(function, block, shared):
        assert functions[function]._signature.most_threads >= block
        # None fit where the kernel was not granted so much, whatever the device has.
        return machine.blocks_of_each if shared <= max(48 * 1024, functions[function].granted) else 0

    def alloc_pinned_memory(size):
        return bytearray(b"\xff" * size)

    runtime = types.SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=get_device_count,
        driverGetVersion=lambda: machine.driver,
        runtimeGetVersion=lambda: 12090,
        getDeviceProperties=lambda index: {"name": f"Fake {index}".encode()},
        memGetInfo=lambda: (machine.total - machine.used, machine.total),
    )
    cp.cuda = types.ModuleType("cupy.cuda")
    cp.cuda.driver = types.SimpleNamespace(occupancyMaxActiveBlocksPerMultiprocessor=occupancy)
    cp.cuda.runtime, cp.cuda.Device, cp.cuda.Stream, cp.cuda.Event = runtime, Device, Stream, Event
    cp.cuda.memory = types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError)
    cp.cuda.alloc_pinned_memory, cp.cuda.get_current_stream = alloc_pinned_memory, lambda: DEFAULT
    pool = Pool()
    cp.get_default_memory_pool = cp.get_default_pinned_memory_pool = lambda: pool
    return cp
