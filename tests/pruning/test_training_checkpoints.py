"""Checkpoints as training scripts write them: numbers of NumPy, histories and options beside the state dict."""

import argparse
import pickle
from collections import OrderedDict, defaultdict

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gsp_studio.cli import main  # noqa: E402
from gsp_studio.pruning import CheckpointError, open_checkpoint, save_checkpoint  # noqa: E402

TYPES = ["bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))]
TYPES += ["float16", "float32", "float64", "complex64", "complex128"]


#: The function by which NumPy's numbers are pickled.
SCALAR = np.float32(1).__reduce__()[0]


def state():
    return OrderedDict({"fc.weight": torch.arange(32.0).reshape(4, 8), "fc.bias": torch.ones(4)})


def beside():
    """All that training scripts keep; of numbers each type."""
    history = defaultdict(list, {"loss": [np.float32(1.5), np.float32(0.5)], "accuracy": [np.float64(0.9)]})
    history["of layers"] = defaultdict(int, {"fc": 3})
    return {
        "epoch": np.int64(7),
        "numbers": {name: np.dtype(name).type(1) for name in TYPES},
        "history": history,
        "args": argparse.Namespace(lr=np.float64(0.1), seen=defaultdict(float), kind=np.dtype("f4"), plain=None),
        "best": (np.float64("nan"), OrderedDict(a=np.bool_(False)), defaultdict(None)),
    }


def alike(one, other):
    """Whether values have the same types and the same content, NaN included."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        assert getattr(one, "default_factory", None) is getattr(other, "default_factory", None)
        return all(alike(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, argparse.Namespace):
        return alike(vars(one), vars(other))
    return one == other or (one != one and other != other)


@pytest.mark.parametrize("is_zip", [True, False])
def test_numbers_and_histories_beside_weights_come_out_as_they_went_in(tmp_path, is_zip):
    torch.save({"state_dict": state(), **beside()}, tmp_path / "a.pt", _use_new_zipfile_serialization=is_zip)
    checkpoint = open_checkpoint(tmp_path / "a.pt")
    assert [layer.name for layer in checkpoint.layers] == ["fc.weight"]
    save_checkpoint(checkpoint, tmp_path / "b.pt", {"fc.weight": np.eye(4, 8, dtype=np.float32)})
    content = torch.load(tmp_path / "b.pt", weights_only=False)
    assert torch.equal(content.pop("state_dict")["fc.weight"], torch.eye(4, 8))
    assert alike(content, beside())
    again = open_checkpoint(tmp_path / "b.pt")
    np.testing.assert_array_equal(again["fc.weight"].weights, np.eye(4, 8))


def test_numbers_of_the_other_byte_order_and_of_numpy_1_are_read(tmp_path):
    values = {"state_dict": state(), "epoch": _Asks(SCALAR, np.dtype(">i4"), b"\0\0\1\2")}
    torch.save(values, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    content = (tmp_path / "a.pt").read_bytes()
    assert b"multiarray\nscalar" in content
    (tmp_path / "a.pt").write_bytes(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    checkpoint = open_checkpoint(tmp_path / "a.pt")
    save_checkpoint(checkpoint, tmp_path / "b.pt", {})
    assert torch.load(tmp_path / "b.pt", weights_only=False)["epoch"] == 258


def test_a_pruned_checkpoint_of_training_is_written_by_the_command(tmp_path, capsys):
    torch.save({"model": state(), **beside()}, tmp_path / "a.pt")
    assert main(["prune", str(tmp_path / "a.pt"), "--sparsity", "0.7", "--out", str(tmp_path / "b.pt")]) == 0
    content = torch.load(tmp_path / "b.pt", weights_only=False)
    assert (content["model"]["fc.weight"] == 0).any()
    assert content["history"]["of layers"]["unseen"] == 0


class _Asks:
    """A value that is pickled as a call of a function, and a state."""

    def __init__(self, function, *parts, **state):
        self.told = (function, parts, *state.values())

    def __reduce__(self):
        return self.told


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (np.ones(3), "numpy"),
        (np.str_("text"), "numpy.dtype"),
        (np.datetime64("2020-01-01"), "numpy.dtype"),
        (np.zeros(1, [("a", "f4")])[0], "numpy.dtype"),
        (_Asks(np.dtype, "f16", False, True), "numpy.dtype"),
        (_Asks(np.dtype, "O"), "numpy.dtype"),
        (_Asks(np.dtype, "f4", state=(3, "<", (np.dtype("f4"), (2,)), None, None, -1, -1, 0)), "numpy.dtype"),
        (_Asks(np.dtype, "f4", state=(3,)), "numpy.dtype"),
        (_Asks(SCALAR, np.dtype("f4"), b"too long"), "numpy.core.multiarray.scalar"),
        (_Asks(SCALAR, 4, b"1234"), "numpy.core.multiarray.scalar"),
        (_Asks(defaultdict, list, [(1, 2)]), "collections.defaultdict"),
        (defaultdict(bytes), "bytes"),
        (defaultdict(torch.nn.Linear), "torch.nn.modules.linear.Linear"),
        (torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
    ],
)
def test_other_values_are_refused(tmp_path, value, named):
    torch.save({"state_dict": state(), "x": value}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="asks for Python code") as refused:
        open_checkpoint(tmp_path / "a.pt")
    assert f"({named}" in str(refused.value)


def test_the_list_holds_for_our_reading_alone(tmp_path):
    torch.save({"state_dict": state(), "epoch": np.float64(1)}, tmp_path / "a.pt")
    open_checkpoint(tmp_path / "a.pt")
    with pytest.raises(pickle.UnpicklingError, match="multiarray"):
        torch.load(tmp_path / "a.pt", weights_only=True)
