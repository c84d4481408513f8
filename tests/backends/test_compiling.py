"""Compiled kernels: a cache that processes share and that follows all sources, and a clock that leaves them out."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numba.core import event

import gsp_studio as gs
from gsp_studio.backends.cpu import compiling
from gsp_studio.backends.cpu.compiling import SignatureFiles

CODE = """
import numpy as np
from gsp_studio.backends.cpu.moments import largest  # one of the least to compile
for dtype in {dtypes}:
    assert largest(np.ones(8, dtype)) == 1
print(sum(largest.stats.cache_misses.values()))
"""


def files(folder: Path, stamp: str = "now") -> SignatureFiles:
    return SignatureFiles(str(folder), "module.function-7.py311", stamp)


def test_processes_that_save_at_the_same_time_keep_both(tmp_path):
    first = files(tmp_path)
    dump, others = first._dump, [files(tmp_path)]

    def meanwhile(data):
        if others:
            others.pop().save(("float64",), "code for float64")
        return dump(data)

    first._dump = meanwhile
    first.save(("float32",), "code for float32")
    assert files(tmp_path).load(("float32",)) == "code for float32"
    assert files(tmp_path).load(("float64",)) == "code for float64"


def test_what_was_compiled_from_other_sources_is_not_used(tmp_path):
    files(tmp_path, "before").save("key", "old")
    assert files(tmp_path).load("key") is None
    files(tmp_path).save("key", "new")
    assert files(tmp_path).load("key") == "new"
    assert len(list(tmp_path.iterdir())) == 1  # in the place of the old one


@pytest.mark.parametrize("damage", [b"", b"\x80\x05junk", b"cnowhere\nthing\n."])
def test_a_damaged_file_is_as_none(damage, tmp_path):
    files(tmp_path).save("key", "code")
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage)
    assert files(tmp_path).load("key") is None
    files(tmp_path).flush()
    assert list(tmp_path.iterdir()) == []


def run(cache: Path, dtypes: str) -> int:
    """How many versions of a kernel a process had to compile."""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", CODE.format(dtypes=dtypes)]
    said = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=300).stdout
    return int(said.splitlines()[-1])


def test_a_process_finds_what_another_one_compiled(tmp_path):
    assert run(tmp_path, "('f4',)") == 1
    assert run(tmp_path, "('f4', 'f8')") == 1
    assert run(tmp_path, "('f4', 'f8')") == 0


def test_kernels_work_where_nothing_can_be_written():
    """numba refuses to decorate a function when it finds no folder for its cache."""
    code = "from numba.core import caching\ncaching.CompileResultCacheImpl._locator_classes = []\n" + CODE.format(
        dtypes="('f4',)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300).stdout
    assert int(said.splitlines()[-1]) == 1  # compiled, for this process alone


class Time:
    """A clock that goes on when it is told to."""

    now = 100.0

    def perf_counter(self):
        return self.now


def test_the_clock_stands_still_while_this_thread_compiles(monkeypatch):
    time = Time()
    monkeypatch.setattr(compiling, "time", time)
    lock, start = "numba:compiler_lock", compiling.clock()

    def elapse(seconds):
        time.now += seconds
        return compiling.clock() - start

    assert elapse(1.0) == pytest.approx(1.0)
    with event.trigger_event(lock):
        time.now += 5.0
        with event.trigger_event(lock):  # a kernel that another one calls
            time.now += 3.0
        time.now += 2.0
    assert elapse(0.5) == pytest.approx(1.5)

    def elsewhere():
        with event.trigger_event(lock):
            time.now += 4.0

    other = threading.Thread(target=elsewhere)
    other.start()
    other.join()
    assert elapse(0.0) == pytest.approx(5.5)


def test_runs_are_timed_by_the_clock_of_their_backend():
    backend, seconds = gs.get_backend("cpu"), iter(range(1000))
    assert backend.clock is compiling.clock
    X = np.random.default_rng(0).random((8, 30))
    ticking = replace(backend, clock=lambda: float(next(seconds)))
    for n, it in enumerate(gs.iterate(X, gs.Params(2, "psnmf", 0.5, max_iter=4), ticking), 1):
        assert it.seconds == n + 1.0, "a second for the start, and one for each iteration"
