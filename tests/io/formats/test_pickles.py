"""Pickles are walked opcode by opcode before they are loaded: bounded in depth, length, integers and memo."""

import collections
import contextlib
import io
import pickle
import random

import numpy as np
import pytest

from gsp_studio.io.formats import pickles
from gsp_studio.io.formats.pickles import PickleError, check_pickle


def walk(content: bytes) -> int:
    file = io.BytesIO(content)
    check_pickle(file, len(content))
    return file.tell()


HONEST = [
    {b"data": np.zeros((3, 4), np.uint8), b"labels": [1, 2, 3], b"filenames": [b"a", "ä"]},
    collections.OrderedDict(a=(1, 2.5, None, True), b={"c": [set("ab"), frozenset((1, (2, 3)))]}),
    [2**100, -(2**100), bytearray(b"x" * 1000), b"y" * 70_000, "z" * 300, 1 + 2j, range(3)],
    (),
    [[]],
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_honest_pickles_pass_and_the_walk_stops_behind_them(protocol: int) -> None:
    for value in HONEST:
        content = pickle.dumps(value, protocol)
        assert walk(content + b"more") == len(content)


def test_a_list_in_itself_passes() -> None:
    value: list[object] = []
    value.append(value)
    walk(pickle.dumps(value))


DOUBLED = b"\x80\x02}" + b")" + b"2\x86" * 60 + b"Ns."  # a key that is ((t, t), (t, t)), 60 times
REFUSED = {
    "key of nested tuples": (b"\x80\x02}" + b")" + b"\x85" * 300_000 + b"Ns.", "nests values more than 100 deep"),
    "nested lists": (b"\x80\x02" + b"]" * 101 + b"a" * 100 + b".", "nests values more than 100 deep"),
    "nested constructors": (b"\x80\x02)" + b"cbuiltins\nset\n0\x85" * 101 + b".", "nests values more than 100 deep"),
    "key that unfolds": (DOUBLED, "too often"),
    "set that unfolds": (b"\x80\x04(" + b")" + b"2\x86" * 60 + b"\x91.", "too often"),
    "argument that unfolds": (b"\x80\x02cbuiltins\nset\n" + b")" + b"2\x86" * 60 + b"\x85R.", "too often"),
    "long integer": (b"\x80\x02\x8b" + (1000).to_bytes(4, "little") + b"\x01" * 1000 + b".", "more than 100 digits"),
    "integer in text": (b"L1" + b"0" * 6000 + b"L\n.", "more than 100 digits"),
    "memo number": (b"\x80\x02Nr\xff\xff\xff\xff.", "numbers a value 4294967295"),
    "memo number in text": (b"Np4000000000\n.", "numbers a value 4000000000"),
    "text of 2 GB": (b"\x80\x04X\x00\x00\x00\x7fabc.", "ends too early"),
    "bytes of 2^60": (b"\x80\x05\x96" + (1 << 60).to_bytes(8, "little") + b"abc.", "ends too early"),
    "frame of 2^60": (b"\x80\x04\x95" + (1 << 60).to_bytes(8, "little") + b"N.", "ends too early"),
    "no end": (b"\x80\x02N", "ends too early"),
    "nothing": (b"", "ends too early"),
    "no such opcode": (b"\xfe.", "is damaged"),
    "empty stack": (b"\x80\x02a.", "is damaged"),
    "no mark": (b"\x80\x02t.", "is damaged"),
    "nothing in the memo": (b"\x80\x02h\x05.", "is damaged"),
    "negative memo number": (b"Np-1\n.", "is damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    content, reason = REFUSED[name]
    with pytest.raises(PickleError, match=reason):
        walk(content)


def test_opcodes_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "MOST_OPCODES", 1000)
    with pytest.raises(PickleError, match="more than 1,000 opcodes"):
        walk(b"\x80\x02" + b"N0" * 1000 + b"N.")


def test_what_passes_can_be_loaded_or_fails_with_an_exception() -> None:
    """Random changes: the walk ends in its own sentence, and Python's reader survives what passes."""
    rng = random.Random(0)

    class Plain(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> object:
            return list

    passed = 0
    for _ in range(3000):
        content = bytearray(pickle.dumps(rng.choice(HONEST), rng.randrange(6)))
        for _ in range(rng.randrange(1, 4)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        try:
            walk(bytes(content))
        except PickleError:
            continue
        passed += 1
        with contextlib.suppress(Exception):
            Plain(io.BytesIO(content), encoding="bytes").load()
    assert passed > 100
