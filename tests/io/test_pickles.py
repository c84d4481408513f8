"""Pickles are looked through before anything is made of them."""

import io
import pickle
import pickletools
from collections import OrderedDict

import numpy as np
import pytest

from gsp_studio.io import pickles
from gsp_studio.io.pickles import PickleError, check_pickle


def nested_key(depth):
    """A dict of which a key is a tuple in a tuple in a tuple: the reader of such a one ends the process."""
    return b"\x80\x02})" + b"\x85" * depth + b"K\x01s."


class Reduced:
    def __reduce__(self):
        return (OrderedDict, ([(1, 2)],), {"a": {3}}, None, iter({"k": "v"}.items()))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_usual_pickles_pass_to_their_end(protocol):
    same = ["twice"] * 3
    content = {
        "labels": list(range(5000)),
        b"names": [b"a.png", "b"] * 2000,
        "data": np.arange(12, dtype=np.uint8).reshape(3, 4),
        "rest": (1.5, None, True, {1, 2}, frozenset("ab"), same, same, bytearray(b"x"), 10**30, Reduced(), float),
    }
    stream = io.BytesIO(pickle.dumps(content, protocol) + b"behind")
    check_pickle(stream)
    assert stream.read() == b"behind"


@pytest.mark.parametrize("depth", [102, 300_000])
def test_what_is_too_deep(depth):
    for content in (
        nested_key(depth),
        b"\x80\x02]" * depth + b"a" * (depth - 1) + b".",
        b"\x80\x04)" + b"\x85\x94" * depth + b".",
        b"(" * depth + b"t" * depth + b".",
    ):
        with pytest.raises(PickleError, match="is nested more than 100 deep"):
            check_pickle(io.BytesIO(content))
    check_pickle(io.BytesIO(nested_key(99)))


def test_depth_is_kept_in_the_memo():
    content = b"\x80\x02)q\x00" + b"0h\x00\x85q\x00" * 101 + b"."
    with pytest.raises(PickleError, match="is nested more than 100 deep"):
        check_pickle(io.BytesIO(content))


def test_what_has_too_many_steps(monkeypatch):
    with pytest.raises(PickleError, match="has more than 1000000 steps"):
        check_pickle(io.BytesIO(b"\x80\x02(" + b"]" * 1_000_001 + b"l."))
    with pytest.raises(PickleError, match="has more than 10 steps"):
        check_pickle(io.BytesIO(pickle.dumps(list(range(20)))), 10)


def test_places_far_beyond_what_there_is():
    for place in (b"r" + (2**31 - 1).to_bytes(4, "little"), b"p2000000\n"):  # for which room would be made
        with pytest.raises(PickleError, match="takes note of more than it has"):
            check_pickle(io.BytesIO(b"\x80\x02K\x01" + place + b"."))


def test_damage_is_one_error():
    whole = pickle.dumps({"labels": list(range(50)), "x": ((1, 2), [3], {4})}, 2)
    rng = np.random.default_rng(0)
    for content in (b"", b".", b"\x80\x02t.", b"h\x07.", b"\x80\x020.", b"\x80\x02q\x00."):
        with pytest.raises(pickle.UnpicklingError):
            check_pickle(io.BytesIO(content))
    for _ in range(3000):
        spoiled = bytearray(whole)
        for _ in range(int(rng.integers(1, 5))):
            spoiled[rng.integers(len(spoiled))] = rng.choice([ord(op.code) for op in pickletools.opcodes])
        try:
            check_pickle(io.BytesIO(spoiled))
        except (PickleError, pickle.UnpicklingError):
            continue


def test_depths_are_those_of_the_content(monkeypatch):
    value: object = 1
    for k in range(1, 30):
        value = [(value,), [value], {"k": value}, frozenset([k])][k % 4] if k % 4 < 3 else (value, "x")
        monkeypatch.setattr(pickles, "DEEPEST", k)
        check_pickle(io.BytesIO(pickle.dumps(value)))
        monkeypatch.setattr(pickles, "DEEPEST", k - 1)
        with pytest.raises(PickleError):
            check_pickle(io.BytesIO(pickle.dumps(value)))
