"""Gradual pruning arrives at its share of zeros, however rarely it cuts; what it cannot follow is told."""

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from gsp_studio.pruning.gradual import GradualMagnitude  # noqa: E402
from gsp_studio.pruning.pruner import GSPPruner  # noqa: E402


def made(*settings):
    torch.manual_seed(0)
    pruner = GSPPruner(nn.Sequential(nn.Linear(20, 10), nn.ReLU(), nn.Linear(10, 10)), zeros=0.9)
    return pruner, GradualMagnitude(pruner, *settings)


@pytest.mark.parametrize("every", [40, 200])
def test_the_whole_share_is_cut_where_cuts_are_rarer_than_epochs(every):
    pruner, gradual = made(0.9, every, 0, 2)
    cuts = [epoch + step / 30 for epoch in range(5) for step in range(30) if gradual.step(epoch + step / 30)]
    assert pruner.summary().zeros == pytest.approx(0.9)
    assert 2.0 in cuts
    assert max(cuts) <= 3, "once it is whole, nothing is cut"


def test_an_ordinary_schedule_cuts_in_its_turns_alone():
    pruner, gradual = made(0.9, 7, 0, 2)
    steps = [gradual.step(step / 30) for step in range(150)]
    assert [step for step, is_cut in enumerate(steps) if is_cut] == [step for step in range(91) if step % 7 == 0]
    assert pruner.summary().zeros == pytest.approx(0.9)
    _, resumed = made(0.9, 7, 0, 2)
    resumed.load_state_dict(gradual.state_dict())
    assert not resumed.step(5)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ((2, 1, 0, 2), "zeros is 2; accepted is a number from 0 to 1"),
        ((0.9, 0, 0, 2), "every is 0; accepted is a whole number >= 1"),
        ((0.9, 1.5, 0, 2), "every is 1.5; accepted is a whole number >= 1"),
        ((0.9, 1, float("nan"), 2), "start is nan; accepted is an epoch"),
        ((0.9, 1, 0, "a"), "end is a; accepted is an epoch"),
        ((0.9, 1, 2, 2), "a ramp ends at epoch 2"),
    ],
)
def test_settings_are_checked_when_they_are_given(settings, said):
    with pytest.raises(ValueError, match=said):
        made(*settings)


def test_the_epoch_has_to_be_told():
    with pytest.raises(ValueError, match="step needs it"):
        made(0.9, 1, 0, 2)[1].step()
