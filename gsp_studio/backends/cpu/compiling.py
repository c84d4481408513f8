"""`compiled`: numba's njit with a cache on disk that processes share and that follows all kernels' sources; `clock`.

numba's own cache numbers the files of a function. Two processes that compile it for different types at the same time
take the same number, and from then on one type is answered with the other's code (numba 0.68.1); commands that
are started side by side do that. It also looks at a function's own source file only, and not at those of the functions
that are compiled into it. Here each signature has a file named after it, and the sources of all kernels are its stamp.
"""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
from numba.core import event
from numba.core.caching import FunctionCache, IndexDataCacheFile


@cache
def sources_stamp() -> str:
    """A digest of this package's source and of numba's version. The processor is a part of what numba asks for."""
    digest = sha256(numba.__version__.encode())
    with suppress(OSError):  # in a frozen app, where numba's stamp is that of the executable
        for path in sorted(Path(__file__).parent.glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def cache_folder() -> Path | None:
    """Return the folder of compiled kernels; None where none can be written."""
    try:
        return Path(FunctionCache(sources_stamp.__wrapped__).cache_path)
    except RuntimeError:
        return None


class SignatureFiles(IndexDataCacheFile):  # type: ignore[misc]
    """A file for each signature. Other processes see it whole or not at all: it is written under another name."""

    def save(self, key: Any, data: Any) -> None:
        """Keep what `load` returns for `key`."""
        with self._open_for_write(self._data_path(self._file_of(key))) as file:
            pickle.dump(self._source_stamp, file)
            file.write(self._dump(data))

    def load(self, key: Any) -> Any:
        """Return the kernel saved for `key`; None if there is none, or one of other sources."""
        try:
            with open(self._data_path(self._file_of(key)), "rb") as file:
                return pickle.load(file) if pickle.load(file) == self._source_stamp else None
        except Exception:  # none there, or damaged in any way: it is compiled again
            return None

    def flush(self) -> None:
        """Forget all signatures of this function."""
        base = self._index_name.removesuffix(".nbi")
        for path in Path(self._cache_path).glob(f"{base}.*.nbc"):
            with suppress(OSError):
                os.unlink(path)

    def _file_of(self, key: Any) -> str:
        # `key` holds types, whose text is the same in every process, the processor, and digests of the byte code.
        return str(self._index_name.removesuffix("nbi")) + sha256(repr(key).encode()).hexdigest()[:20] + ".nbc"


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """``numba.njit`` without the GIL, cached where a folder for it can be written.

    Parameters
    ----------
    **options
        Of ``numba.njit``: ``parallel``, ``fastmath``, ``error_model``.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(nogil=True, **options)(function)
        if numba.config.DISABLE_JIT:
            return dispatcher
        with suppress(RuntimeError):  # numba finds no folder that it may write to: everything works, and starts slower
            kept = FunctionCache(function)
            own = kept._cache_file
            base = own._index_name.removesuffix(".nbi")
            stamp = (own._source_stamp, sources_stamp())
            kept._cache_file = SignatureFiles(kept.cache_path, base, stamp)
            dispatcher._cache = kept
        return dispatcher

    return decorate


class _Own(threading.local):
    depth, began, seconds = 0, 0.0, 0.0


class _Times(event.Listener):  # type: ignore[misc]
    """Of events of numba's: how many threads are in one, and the seconds that each thread has spent in those ended."""

    def __init__(self, kind: str) -> None:
        self.own, self.threads = _Own(), 0
        event.register(kind, self)

    def on_start(self, event: Any) -> None:
        """One begins, perhaps within another."""
        if self.own.depth == 0:
            self.own.began = time.perf_counter()
            self.threads += 1
        self.own.depth += 1

    def on_end(self, event: Any) -> None:
        """The last one that began ends."""
        self.own.depth -= 1
        if self.own.depth == 0:
            self.own.seconds += time.perf_counter() - self.own.began
            self.threads -= 1


#: Kernels that are compiled, one at a time; what comes from the cache on the disk is none.
_COMPILED = _Times("numba:compile")
#: Threads that have the compiler or wait for it: a run's first steps wait for kernels that another thread compiles.
_WAITED = _Times("numba:compiler_lock")


def is_compiling() -> bool:
    """Whether numba is compiling a kernel, as it does the first time that one is used on a machine."""
    return _COMPILED.threads > 0


def clock() -> float:
    """As ``time.perf_counter``, and stands still while this thread compiles or waits for another one that does."""
    return time.perf_counter() - _WAITED.own.seconds
