"""Pruning while training: the core's projection in place, and zeros that stay zero whatever moves the weights."""

import copy
import io

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.pruning import Grouping

torch = pytest.importorskip("torch")
from device import emulation, on_fake_device  # noqa: E402
from networks import paper  # noqa: E402
from torch import nn  # noqa: E402

from gsp_studio.pruning import device, masks  # noqa: E402
from gsp_studio.pruning.pruner import GSPPruner  # noqa: E402


def make(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64, 12),
        nn.ReLU(),
        nn.Linear(12, 5),
    )


NAMES = ["0.weight", "4.weight", "6.weight"]


def train(model, optimizer, steps=3, pruner=None, closure=False):
    torch.manual_seed(9)
    for _ in range(steps):
        x, y = torch.randn(16, 1, 4, 4), torch.randint(0, 5, (16,))

        def loss_of():
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)  # noqa: B023
            loss.backward()
            return loss

        if closure:
            optimizer.step(loss_of)
        else:
            loss_of()
            optimizer.step()
        if pruner is not None:
            pruner.step()


def weights_of(model):
    return {name: value.detach().clone() for name, value in model.named_parameters() if name in NAMES}


def test_single_shot_is_the_cores_projection_and_in_place():
    model = make()
    before, places = weights_of(model), [p.data_ptr() for p in model.parameters()]
    others = {n: p.detach().clone() for n, p in model.named_parameters() if n not in NAMES}
    summary = GSPPruner(model, 0.8, group=paper()).single_shot()
    for name, weight in weights_of(model).items():
        expected = gs.group_sparse_projection(before[name].numpy(), 0.8, axis=tuple(range(1, weight.ndim))).values
        np.testing.assert_array_equal(weight.numpy(), expected)
    assert [p.data_ptr() for p in model.parameters()] == places
    for name, value in model.named_parameters():
        if name in others:
            assert torch.equal(value, others[name])
    assert [layer.name for layer in summary.layers] == NAMES
    for layer in summary.layers:
        assert layer.sparsity == pytest.approx(0.8, abs=1e-5)
    assert "0.weight" in str(summary)


def test_one_group_over_the_network_and_own_targets():
    model = make()
    before = weights_of(model)
    GSPPruner(model, 0.6, group=paper("network")).single_shot()
    rows = [row for name in NAMES for row in before[name].flatten(1).numpy()]
    expected = gs.group_sparse_projection(rows, 0.6).values
    found = [row for name in NAMES for row in weights_of(model)[name].flatten(1).numpy()]
    for row, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(row, wanted, rtol=1e-6, atol=1e-8)
    model = make()
    grouping = paper("network", own=(("4.weight", 0.9),), exclude=("first",))
    summary = GSPPruner(model, 0.5, group=grouping).single_shot()
    assert {layer.name: round(layer.sparsity, 5) for layer in summary.layers} == {"4.weight": 0.9, "6.weight": 0.5}
    assert torch.equal(model[0].weight, before["0.weight"])


@pytest.mark.parametrize("group", ["layer", "network"])
def test_a_share_of_zeros(group):
    model = make()
    summary = GSPPruner(model, zeros=0.8, group=group).single_shot()
    size = sum(weight.numel() for weight in weights_of(model).values())
    assert sum(int((weight == 0).sum()) for weight in weights_of(model).values()) == np.ceil(0.8 * size)
    assert summary.zeros == pytest.approx(0.8, abs=1 / size)


def test_induced_projects_every_k_iterations_from_an_epoch_on():
    model = make()
    pruner = GSPPruner(model, 0.7, every=3, start=2)
    assert [pruner.step(epoch) for epoch in (0, 1, 1.9, 2, 2, 2, 3, 3, 3)] == [False] * 5 + [True] + [False] * 2 + [
        True
    ]
    with pytest.raises(ValueError, match="start is epoch 2, so step needs the epoch"):
        pruner.step()
    pruner = GSPPruner(model, 0.9)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    train(model, optimizer, 2, pruner)
    for layer in pruner.summary().layers:
        assert layer.sparsity == pytest.approx(0.9, abs=1e-4)


def test_freezing_between_two_projections_projects_once_more():
    model = make()
    pruner = GSPPruner(model, 0.8, every=4)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    train(model, optimizer, 6, pruner)
    assert pruner.summary().zeros < 0.2
    pruner.freeze_masks()
    assert all(layer.sparsity == pytest.approx(0.8, abs=1e-4) for layer in pruner.summary().layers)
    train(model, optimizer, 2, pruner)
    assert pruner.summary().zeros > 0.5
    untouched = make()  # zeros from elsewhere are frozen as they are
    with torch.no_grad():
        untouched[4].weight[0] = 0
    pruner = GSPPruner(untouched, 0.8, every=4)
    pruner.freeze_masks()
    assert pruner.summary().layers[1].zeros == pytest.approx(1 / 12)


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, 0.01),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.5),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01, momentum=0.9),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.01),
    "lbfgs": lambda p: torch.optim.LBFGS(p, 0.1, max_iter=3),
}


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_frozen_zeros_stay_zero_through_any_optimizer(name):
    """With momentum from before the freeze, which would move dropped weights for many steps."""
    model = make()
    optimizer = OPTIMIZERS[name](model.parameters())
    train(model, optimizer, 2, closure=name == "lbfgs")
    pruner = GSPPruner(model, zeros=0.7, group="network")
    pruner.single_shot()
    pruner.freeze_masks()
    frozen = weights_of(model)
    train(model, optimizer, 3, pruner, closure=name == "lbfgs")
    for key, weight in weights_of(model).items():
        assert torch.equal(weight == 0, frozen[key] == 0)
        assert not torch.equal(weight, frozen[key])
    assert pruner.is_frozen
    with pytest.raises(ValueError, match="the masks are frozen"):
        pruner.single_shot()
    pruner.unfreeze()
    train(model, optimizer, 1, closure=name == "lbfgs")
    assert any(int((weight == 0).sum()) < int((frozen[key] == 0).sum()) for key, weight in weights_of(model).items())


def frozen_model(zeros=0.7):
    model = make()
    pruner = GSPPruner(model, zeros=zeros)
    pruner.single_shot()
    pruner.freeze_masks()
    return model, pruner


def test_gradients_of_dropped_weights_are_zero():
    model, _ = frozen_model()
    model(torch.randn(3, 1, 4, 4)).sum().backward()
    for name, weight in model.named_parameters():
        if name in NAMES:
            assert torch.all(weight.grad[weight == 0] == 0)
            assert torch.any(weight.grad != 0)


def test_updates_by_hand_are_held_before_a_pass_and_before_saving():
    model, _ = frozen_model()
    dropped = {name: weight == 0 for name, weight in weights_of(model).items()}
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(1)
    saved = model.state_dict()
    assert all(torch.all(saved[name][where] == 0) for name, where in dropped.items())
    with torch.no_grad():
        model[4].weight.fill_(float("nan"))
    model(torch.randn(2, 1, 4, 4))
    assert torch.all(model[4].weight[dropped["4.weight"]] == 0)


def test_keys_stay_and_states_load():
    model, _ = frozen_model()
    plain = make(1)
    assert list(model.state_dict()) == list(plain.state_dict())
    plain.load_state_dict(model.state_dict())
    model.load_state_dict(make(2).state_dict())
    assert float((model.state_dict()["4.weight"] == 0).float().mean()) > 0.5
    assert not hasattr(plain[4].weight, masks._MARK)


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_copies_of_the_model_are_held_too(how):
    model, _ = frozen_model()
    dropped = {name: weight == 0 for name, weight in weights_of(model).items()}
    if how == "deepcopy":
        other = copy.deepcopy(model)
    else:
        buffer = io.BytesIO()
        torch.save(model, buffer)
        buffer.seek(0)
        other = torch.load(buffer, weights_only=False)
    optimizer = torch.optim.SGD(other.parameters(), 0.5, momentum=0.9, weight_decay=0.1)
    before = weights_of(model)
    train(other, optimizer)
    for name, weight in weights_of(other).items():
        assert torch.equal(weight == 0, dropped[name])
        assert torch.equal(weights_of(model)[name], before[name])
    assert not torch.equal(other[4].weight, model[4].weight)


def test_a_run_goes_on_from_its_states():
    def run(steps, resume_at=None):
        model = make()
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        pruner = GSPPruner(model, zeros=0.6, every=2)
        for k in range(steps):
            train(model, optimizer, 1, pruner)
            if k == 4:
                pruner.freeze_masks()
            if k == resume_at:
                buffer = io.BytesIO()
                torch.save([model.state_dict(), optimizer.state_dict(), pruner.state_dict()], buffer)
                buffer.seek(0)
                states = torch.load(buffer, weights_only=True)
                model = make(5)
                optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
                pruner = GSPPruner(model, zeros=0.6, every=2)
                for part, state in zip((model, optimizer, pruner), states, strict=True):
                    part.load_state_dict(state)
        return weights_of(model)

    expected = run(8)
    for stop in (2, 6):
        for name, weight in run(8, stop).items():
            assert torch.equal(weight, expected[name])
    pruner = GSPPruner(make(), 0.5)
    with pytest.raises(ValueError, match=r"a mask for 9\.weight that fits no layer"):
        pruner.load_state_dict(
            {
                "iterations": 1,
                "has_projected": True,
                "has_moved": False,
                "masks": {"9.weight": torch.ones(2, 2, dtype=torch.bool)},
            }
        )


def test_under_autocast_and_data_parallel():
    model = make()
    wrapped = nn.DataParallel(model)
    pruner = GSPPruner(wrapped, zeros=0.7)
    assert [layer.name for layer in pruner.single_shot().layers] == NAMES
    pruner.freeze_masks()
    frozen = weights_of(model)
    optimizer = torch.optim.SGD(wrapped.parameters(), 0.1, momentum=0.9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        train(wrapped, optimizer)
    for name, weight in weights_of(model).items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight == 0, frozen[name] == 0)
        assert not torch.equal(weight, frozen[name])


def test_replicas_of_data_parallel_are_held_without_touching_the_mask():
    model, _ = frozen_model()
    replica = copy.copy(model[4])
    replica._is_replica = True
    replica._parameters = {}
    weight = (model[4].weight * 1) + 1  # as broadcast: a result, not a parameter
    replica.__dict__["weight"] = weight
    mask = masks.mask_of(model[4])
    mask(replica)
    assert torch.equal(weight == 0, mask.dropped)
    assert getattr(model[4].weight, masks._MARK) is mask.dropped


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_and_memory_formats(dtype):
    model = make().to(dtype).to(memory_format=torch.channels_last)
    layout = model[0].weight.is_contiguous(memory_format=torch.channels_last)
    summary = GSPPruner(model, 0.8, group=paper()).single_shot()
    assert all(layer.sparsity == pytest.approx(0.8, abs=0.02) for layer in summary.layers)
    assert model[0].weight.dtype == dtype
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last) == layout


@pytest.fixture
def on_device(monkeypatch):
    """The backend for CUDA on a fake device, for tensors of the processor, which are taken for a device's."""
    with on_fake_device() as machine:
        backend = gs.get_backend("cuda")
        monkeypatch.setattr(device, "_tensor_of", lambda array, where: torch.from_numpy(array._a))
        yield backend, machine


needs_fake = pytest.mark.skipif(emulation.compiler() is None, reason="needs a C++ compiler for the fake device")


@needs_fake
@pytest.mark.parametrize("axes", [(1, 2, 3), (0, 2, 3), (0, 1, 2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_weight_is_projected_on_its_device(axes, dtype, on_device):
    backend, _ = on_device
    weight = torch.randn(6, 5, 3, 3).to(dtype)
    [new] = device._projected_on(backend, [weight], [axes], 0.8)
    expected = gs.group_sparse_projection(device.host_view(weight), 0.8, axis=axes).values
    np.testing.assert_allclose(new.numpy(), expected, rtol=1e-5, atol=1e-6)
    weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        device._projected_on(backend, [weight], [axes], 0.8)


@needs_fake
def test_layers_of_a_device_are_one_group_there(on_device, monkeypatch):
    """One projection for all of them, and no weight visits the host."""
    model, there = make(), make()
    there.load_state_dict(model.state_dict())
    GSPPruner(model, 0.8, group="network").step()
    backend, machine = on_device
    asked, project = [], device._projected_on

    def on_it(weights, axes, s, factors):
        asked.append(len(weights))
        with torch.no_grad():
            for weight, new in zip(weights, project(backend, weights, axes, s, factors), strict=True):
                weight.copy_(new)
        return True

    pruner = GSPPruner(there, 0.8, group="network")
    monkeypatch.setattr(device, "project_on_device", on_it)
    monkeypatch.setattr("gsp_studio.pruning.pruner.Problem", None)
    before = machine.downloaded
    pruner.step()
    assert asked == [3]
    vectors = 4 + 12 + 5
    assert machine.downloaded - before == 8 * (3 + vectors), "the multiplier, and a sparsity a vector"
    for a, b in zip(model.parameters(), there.parameters(), strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_without_a_device_nothing_is_done():
    weight = torch.randn(4, 5)
    before = weight.clone()
    assert not device.project_on_device([weight], [(1,)], 0.8)
    assert torch.equal(weight, before)


def test_versions_of_tensors_tell_of_the_projection():
    model = make()
    x = torch.randn(2, 1, 4, 4)
    loss = model(x).pow(2).sum()
    GSPPruner(model, 0.9).single_shot()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_messages():
    model = make()
    for arguments, message in [
        ({}, "takes one target"),
        ({"sparsity": 0.5, "zeros": 0.5}, "takes one target"),
        ({"sparsity": 1.5}, r"sparsity is 1\.5"),
        ({"zeros": -1}, "zeros is -1"),
        ({"sparsity": 0.5, "every": 0}, "every is 0"),
        ({"sparsity": 0.5, "group": "filter"}, 'group is "filter"'),
        ({"sparsity": 0.5, "group": Grouping(exclude=("7.weight",))}, 'no layer is called "7.weight"'),
    ]:
        with pytest.raises(ValueError, match=message):
            GSPPruner(model, **arguments)
    with pytest.raises(ValueError, match="no layer to prune"):
        GSPPruner(nn.ReLU(), 0.5)
    with torch.no_grad():
        model[4].weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"layer 4\.weight holds 1 NaN"):
        GSPPruner(model, 0.5).single_shot()
