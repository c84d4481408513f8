"""What a pruner is given is checked before anything changes: one sentence for arguments and states that are none."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from gsp_studio.pruning.pruner import GSPPruner  # noqa: E402


def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"start": float("nan")}, "start is nan; accepted is an epoch"),
        ({"start": "a"}, "start is a; accepted is an epoch"),
        ({"start": None}, "start is None; accepted is an epoch"),
        ({"schedule": 3}, "schedule is 3; accepted is a function"),
        ({"exclude": None}, "exclude is None; accepted are names"),
        ({"include": 3}, "include is 3; accepted are names"),
        ({"every": 0}, "every is 0; accepted is a whole number >= 1"),
        ({"every": True}, "every is True; accepted is a whole number >= 1"),
        ({"every": np.float64(2)}, r"every is .*2\.0.*; accepted is a whole number >= 1"),
    ],
)
def test_arguments_that_are_none_get_a_sentence(options, said):
    with pytest.raises(ValueError, match=said):
        GSPPruner(plain(), 0.5, **options)


def test_whole_numbers_of_numpy_are_whole_numbers():
    pruner = GSPPruner(plain(), 0.5, every=np.int64(2), start=np.float32(1))
    assert type(pruner.every) is int
    assert [pruner.step(epoch) for epoch in (0, 1, 2)] == [False, False, True]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: 3, "the state is of type int; accepted is what GSPPruner.state_dict gives"),
        (lambda state: {}, '"masks" of the state is of type NoneType'),
        (lambda state: {**state, "masks": None}, '"masks" of the state is of type NoneType'),
        (lambda state: {**state, "masks": {"0.weight": [1]}}, "a mask for 0.weight that fits no layer"),
        (lambda state: {**state, "layers": 5}, '"layers" of the state names no layers'),
        (lambda state: {**state, "layers": [[1]]}, '"layers" of the state names no layers'),
        (lambda state: {**state, "iterations": -1}, '"iterations" of the state is -1; accepted is a whole number >= 0'),
        (lambda state: {**state, "settings": {**state["settings"], "every": 0}}, "every is 0; accepted"),
        (lambda state: {**state, "settings": {**state["settings"], "sparsity": float("nan")}}, "sparsity is nan"),
        (lambda state: {**state, "settings": {**state["settings"], "while_training": "x"}}, 'values is "x"'),
        (lambda state: {**state, "settings": {**state["settings"], "grouping": {"a": 1}}}, "the grouping of the state"),
        (lambda state: {**state, "settings": {}}, "takes one target"),
    ],
)
def test_states_that_are_none_get_a_sentence_and_change_nothing(change, said):
    pruner = GSPPruner(plain(), 0.5)
    pruner.cut(0.5)
    state = copy.deepcopy(pruner.state_dict())
    other = GSPPruner(plain(), zeros=0.3, every=3)
    with pytest.raises(ValueError, match=said):
        other.load_state_dict(change(state))
    assert (other.every, other.zeros, other.sparsity, other.is_frozen) == (3, 0.3, None, False)
    other.load_state_dict(state)
    assert (other.every, other.zeros, other.sparsity, other.is_frozen) == (1, None, 0.5, True)
    assert other.summary().zeros == pytest.approx(0.5)
