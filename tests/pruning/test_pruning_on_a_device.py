"""Networks on a real CUDA device: weights are projected where they are. Skipped where there is none."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from gsp_studio import backends

torch = pytest.importorskip("torch")

from gsp_studio.pruning import device  # noqa: E402
from gsp_studio.pruning.pruner import GSPPruner  # noqa: E402

PROBLEM = backends.available_backends()["cuda"]
if not PROBLEM and not torch.cuda.is_available():
    PROBLEM = "this PyTorch has no CUDA"
if PROBLEM:
    pytest.skip(PROBLEM, allow_module_level=True)
pytestmark = pytest.mark.gpu


@pytest.fixture
def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, padding=1),
        torch.nn.BatchNorm2d(16),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(1024, 300),
        torch.nn.ReLU(),
        torch.nn.Linear(300, 5),
    )


@pytest.fixture
def stays(monkeypatch):
    """Weights that come to the host are an error."""

    def refuse(weight):
        raise AssertionError("a weight came to the host")

    monkeypatch.setattr(device, "host_view", refuse)


def weights_of(model):
    return {name: p.detach().cpu().numpy() for name, p in model.named_parameters() if p.ndim > 1}


@pytest.mark.parametrize("group", ["layer", "network"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_weights_are_projected_where_they_are(group, dtype, model, stays, monkeypatch):
    there = copy.deepcopy(model).to("cuda", dtype)
    places = [p.data_ptr() for p in there.parameters()]
    GSPPruner(there, 0.8, group=group)._project()
    assert [p.data_ptr() for p in there.parameters()] == places
    monkeypatch.undo()
    here = model.to(dtype)
    GSPPruner(here, 0.8, group=group).single_shot()
    for name, weight in here.named_parameters():
        if weight.ndim > 1:
            found = dict(there.named_parameters())[name].detach().cpu()
            torch.testing.assert_close(found, weight.detach(), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("wraps", [False, True])
def test_training_under_autocast(wraps, model):
    model = model.to("cuda")
    whole = torch.nn.DataParallel(model) if wraps else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    scaler, pruner = torch.amp.GradScaler("cuda"), GSPPruner(whole, 0.85, every=2)
    x, y = torch.randn(64, 1, 8, 8, device="cuda"), torch.randint(0, 5, (64,), device="cuda")

    def train(steps):
        for _ in range(steps):
            optimizer.zero_grad()
            with torch.autocast("cuda"):
                loss = torch.nn.functional.cross_entropy(whole(x), y)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            pruner.step()
        return float(loss.detach())

    first = train(1)
    assert train(9) < first
    assert [layer.sparsity for layer in pruner.summary().layers] == pytest.approx([0.85] * 3, abs=1e-4)
    pruner.freeze_masks()
    zeros = {name: weight == 0 for name, weight in weights_of(model).items()}
    assert np.mean(np.concatenate([mask.ravel() for mask in zeros.values()])) > 0.5
    train(6)
    for name, weight in weights_of(model).items():
        assert not weight[zeros[name]].any(), name


def test_a_share_of_zeros_and_what_is_not_finite(model):
    model = model.to("cuda")
    assert GSPPruner(model, zeros=0.9, group="network").single_shot().zeros == pytest.approx(0.9, abs=1e-4)
    with torch.no_grad():
        model[4].weight[3, 3] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        GSPPruner(model, 0.8, group="network").single_shot()
