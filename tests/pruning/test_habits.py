"""Habits of PyTorch's users: which parameters are pruned, what holds their zeros, and a plain model at the end."""

import argparse
import copy
import io
import pickle
import warnings

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.pruning import Grouping, open_checkpoint

torch = pytest.importorskip("torch")
from networks import paper  # noqa: E402
from torch import nn  # noqa: E402

from gsp_studio.pruning import masks  # noqa: E402
from gsp_studio.pruning.pruner import GSPPruner, ramp  # noqa: E402


class Text(nn.Module):
    """An embedding that the head is tied to, a recurrent layer and attention, whose output layer is never called."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(30, 16)
        self.rnn = nn.LSTM(16, 16, batch_first=True)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.body = nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 16))
        self.head = nn.Linear(16, 30, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x):
        x, _ = self.rnn(self.embed(x))
        x, _ = self.attention(x, x, x, need_weights=False)
        return self.head(self.body(x))


def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8))


def names(pruner):
    return [layer.name for layer in pruner.summary().layers]


def zeros_of(model, names):
    parameters = dict(model.named_parameters())
    return {name: (parameters[name] == 0).detach().clone() for name in names}


def test_recurrent_layers_and_attention_are_pruned_and_the_rest_is_named():
    with pytest.warns(UserWarning, match=r"not pruned: embed\.weight \(tied to an embedding\); exclude= says so"):
        pruner = GSPPruner(Text(), zeros=0.7)
    assert names(pruner) == [
        "rnn.weight_ih_l0",
        "rnn.weight_hh_l0",
        "attention.in_proj_weight",
        "attention.out_proj.weight",
        "body.0.weight",
        "body.2.weight",
    ]
    assert [(array.name, array.reason) for array in pruner.left_out] == [("embed.weight", "tied to an embedding")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GSPPruner(Text(), zeros=0.7, exclude=["embed"])
    table = GSPPruner(Text(), zeros=0.5, include=[nn.Embedding])
    assert names(table) == ["embed.weight"]
    assert table.single_shot().zeros == 0.5


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"exclude": ["embed", "rnn", nn.MultiheadAttention, "attention.out_proj"]},
            ["body.0.weight", "body.2.weight"],
        ),
        ({"exclude": ["embed", "attention.in_proj_weight", "rnn.*", "body"]}, ["attention.out_proj.weight"]),
        ({"include": ["body.*"], "exclude": ["last"]}, ["body.0.weight"]),
        ({"include": [nn.LSTM]}, ["rnn.weight_ih_l0", "rnn.weight_hh_l0"]),
    ],
)
def test_layers_are_chosen_by_module_parameter_pattern_and_type(options, expected):
    assert names(GSPPruner(Text(), zeros=0.7, **options)) == expected


def test_a_choice_of_nothing_is_refused():
    for options, message in [
        ({"exclude": ["bodies"]}, 'no layer is called "bodies"'),
        ({"exclude": [nn.Conv2d]}, 'no layer is called "Conv2d", nor of that type'),
        ({"include": ["embed"], "exclude": ["embed"]}, "no layer to prune: rnn.weight_ih_l0 is excluded|embed"),
    ]:
        with pytest.raises(ValueError, match=message):
            GSPPruner(Text(), zeros=0.7, **options)


def test_zeros_of_parameters_that_no_module_call_guards_stay():
    """The output layer of attention is used by its function, and by a loaded state."""
    model = Text()
    pruner = GSPPruner(model, zeros=0.7, exclude=["embed"])
    pruner.single_shot()
    pruner.freeze_masks()
    held = zeros_of(model, names(pruner))
    model.load_state_dict(Text().state_dict())
    for name, weight in model.named_parameters():
        if name in held:
            assert torch.all(weight[held[name]] == 0), name
    x = torch.randint(0, 30, (4, 6))
    for update in (torch.optim.AdamW(model.parameters(), 0.01, weight_decay=0.5), None):
        for _ in range(2):
            model(x).sum().backward()
            if update is not None:
                update.step()
            else:
                with torch.no_grad():
                    for weight in model.parameters():
                        weight.add_(1.0)
        model(x)
        for name, where in held.items():
            weight = dict(model.named_parameters())[name]
            assert torch.all(weight[where] == 0), name
            assert torch.all(weight.grad[where] == 0), name


def test_groups_of_a_transposed_convolution_do_not_mix():
    torch.manual_seed(0)
    model = nn.Sequential(nn.ConvTranspose2d(6, 8, 3, groups=2))
    weight = model[0].weight.detach().clone()
    summary = GSPPruner(model, 0.7, group=paper()).single_shot()
    assert summary.layers[0].shape == (6, 4, 3, 3)
    vectors = weight.unflatten(0, (2, 3)).permute(0, 2, 1, 3, 4).reshape(8, -1).numpy()
    expected = gs.group_sparse_projection(vectors, 0.7, axis=1).values
    found = model[0].weight.detach().unflatten(0, (2, 3)).permute(0, 2, 1, 3, 4).reshape(8, -1).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
    pruner = GSPPruner(model, zeros=0.8)
    assert pruner.single_shot().zeros == pytest.approx(0.8, abs=1 / 216)
    pruner.freeze_masks()
    assert pruner.finish().layers[0].shape == (6, 4, 3, 3)


def operations(model, x):
    return len([node for node in torch.export.export(model, (x,)).graph.nodes if node.op == "call_function"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_finished_model_is_a_plain_one():
    """It is scripted, quantized, exported and pickled as one that was never pruned."""
    model, x = plain().eval(), torch.randn(5, 16)
    pruner = GSPPruner(model, zeros=0.8)
    pruner.single_shot()
    pruner.freeze_masks()
    with torch.no_grad():
        model[0].weight.data.add_(1)  # which no version tells of
    assert pruner.finish().zeros == pytest.approx(0.8, abs=1e-3)
    assert not pruner.is_frozen
    for module in model.modules():
        for hooks in (module._forward_pre_hooks, module._state_dict_pre_hooks, module._load_state_dict_post_hooks):
            assert not hooks
    assert all(not hasattr(weight, masks._MARK) and not hasattr(weight, masks._SEEN) for weight in model.parameters())
    expected = model(x)
    assert torch.allclose(torch.jit.script(model)(x), expected)
    assert operations(model, x) == operations(plain().eval(), x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library, about its own future
        quantized = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    assert torch.allclose(quantized(x), expected, atol=0.1)
    buffer = io.BytesIO()
    torch.save(copy.deepcopy(model), buffer)
    buffer.seek(0)
    assert torch.equal(torch.load(buffer, weights_only=False)(x), expected)


def test_a_pass_writes_nothing_where_no_weight_has_moved(monkeypatch):
    model, x = plain(), torch.randn(5, 16)
    pruner = GSPPruner(model, zeros=0.8)
    pruner.single_shot()
    pruner.freeze_masks()
    written, drop = [], masks._drop
    monkeypatch.setattr(masks, "_drop", lambda values, dropped: (written.append(1), drop(values, dropped)))
    versions = [weight._version for weight in model.parameters()]
    for _ in range(3):
        model(x)
    assert written == []
    assert [weight._version for weight in model.parameters()] == versions
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    model(x).sum().backward()
    optimizer.step()
    model(x)
    assert len(written) == 4  # gradient and weight of each layer
    with torch.inference_mode():
        model(x)
    assert len(written) == 4
    optimizer.zero_grad()
    model(x).sum().backward()
    optimizer.step()
    model(x)
    assert len(written) == 8
    assert pruner.summary().zeros == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize("disturb", ["gradient", "data", "momentum", "state", "new optimizer"])
def test_what_could_move_a_zero_is_met(disturb):
    """Between the gradient and the step, or by a state from before the freeze."""
    model, x = plain(), torch.randn(5, 16)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)

    def step(change=None):
        optimizer.zero_grad()
        model(x).pow(2).sum().backward()
        if change is not None:
            change()
        optimizer.step()

    step()
    old = copy.deepcopy(optimizer.state_dict())
    pruner = GSPPruner(model, zeros=0.8)
    pruner.single_shot()
    pruner.freeze_masks()
    held = zeros_of(model, names(pruner))
    step()
    step()
    changes = {
        "gradient": lambda: model[0].weight.grad.add_(1.0),
        "data": lambda: model[0].weight.grad.data.add_(1.0),
        "momentum": lambda: model[0].weight.grad.mul_(0.5),
        "state": lambda: optimizer.load_state_dict(old),
        "new optimizer": lambda: None,
    }
    if disturb == "new optimizer":
        optimizer = torch.optim.RMSprop(model.parameters(), 0.01, momentum=0.9)
    for _ in range(2):
        step(changes[disturb])
        for name, where in held.items():
            assert torch.all(dict(model.named_parameters())[name][where] == 0)
    step()
    assert pruner.summary().zeros == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize("kind", [torch.Tensor, nn.Parameter])
def test_tensors_of_the_caller_are_left_alone(kind):
    model, x = plain(), torch.randn(5, 16)
    pruner = GSPPruner(model, zeros=0.8)
    pruner.cut(0.8)
    held = zeros_of(model, names(pruner))
    model(x)
    given = {name: kind(torch.randn_like(weight)) for name, weight in model.named_parameters()}
    before = {name: values.detach().clone() for name, values in given.items()}
    torch.func.functional_call(model, given, x)
    for name, values in given.items():
        assert torch.equal(values.detach(), before[name])
    with torch.no_grad():
        model[0].weight.add_(1.0)
    model(x)
    again = copy.deepcopy(model)
    with torch.no_grad():
        again[0].weight.add_(1.0)
    again(x)
    for each in (model, again):
        assert torch.all(dict(each.named_parameters())["0.weight"][held["0.weight"]] == 0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_names_in_compiled_models_are_those_of_the_model():
    model = plain()
    pruner = GSPPruner(torch.compile(model), zeros=0.5)
    assert names(pruner) == ["0.weight", "2.weight"]
    inner = nn.Sequential(torch.compile(nn.Sequential(nn.Linear(8, 8))), nn.Linear(8, 8))
    assert names(GSPPruner(inner, zeros=0.5)) == ["0.0.weight", "1.weight"]


def test_a_state_holds_the_settings():
    model = plain()
    grouping = Grouping("network", own=(("2.weight", 0.4),), shares="even")
    pruner = GSPPruner(model, 0.7, every=7, start=2, group=grouping, while_training="kept")
    buffer = io.BytesIO()
    torch.save(pruner.state_dict(), buffer)
    buffer.seek(0)
    other = GSPPruner(plain(), zeros=0.1)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert (other.sparsity, other.zeros, other.every, other.start) == (0.7, None, 7, 2)
    assert other.grouping == grouping
    assert other.state_dict()["settings"] == pruner.state_dict()["settings"]


def test_a_share_that_is_out_of_reach_is_told():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(16, 16, 3, groups=16), nn.Conv2d(16, 16, 3, groups=16))
    with pytest.warns(UserWarning, match=r"95\.00% zeros are out of reach here: 88\.89% is as near"):
        GSPPruner(model, zeros=0.95, group=Grouping("network", keep_one=True)).single_shot()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert GSPPruner(model, zeros=0.95, group="network").single_shot().zeros == pytest.approx(0.95, abs=4e-3)


def test_layers_under_other_tools_are_named_with_the_cure():
    from torch.nn.utils import prune

    model = plain()
    prune.l1_unstructured(model[0], "weight", 0.5)
    with pytest.warns(
        UserWarning, match=r"0\.weight_orig \(pruned by torch\.nn\.utils\.prune; .*prune\.remove\(module"
    ):
        assert names(GSPPruner(model, zeros=0.5)) == ["2.weight"]
    prune.l1_unstructured(model[2], "weight", 0.5)
    with pytest.raises(ValueError, match=r'no layer to prune: .* torch\.nn\.utils\.prune\.remove\(module, "weight"\)'):
        GSPPruner(model, zeros=0.5)
    prune.remove(model[0], "weight")
    prune.remove(model[2], "weight")
    assert len(names(GSPPruner(model, zeros=0.5))) == 2
    normed = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(8, 8)), nn.Linear(8, 8))
    with pytest.warns(UserWarning, match=r"under torch\.nn\.utils\.parametrize; remove_parametrizations"):
        assert names(GSPPruner(normed, zeros=0.5)) == ["1.weight"]


def test_lazy_layers_get_a_sentence():
    with pytest.raises(
        ValueError, match=r"layer 0\.weight is lazy and has no shape yet; run the model on a batch once"
    ):
        GSPPruner(nn.Sequential(nn.LazyLinear(8)), zeros=0.5)


@pytest.mark.parametrize("options", [{"sparsity": 0.5}, {"zeros": 0.5}])
@pytest.mark.parametrize("group", ["layer", "network"])
def test_nan_names_the_layer(options, group):
    model = plain()
    with torch.no_grad():
        model[2].weight[0, 3] = torch.nan
    pruner = GSPPruner(model, group=group, **options)
    for call in (pruner.single_shot, pruner.step, lambda: pruner.cut(0.5)):
        with pytest.raises(ValueError, match=r"^layer 2\.weight holds 1 NaN or infinite weights"):
            call()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("group", ["layer", "network"])
def test_the_share_is_met_to_a_weight_in_any_precision(dtype, group):
    for share in (0.5, 0.9, 0.984):
        for act in (lambda p: p.single_shot(), lambda p: (p.step(), p.summary())[1]):
            model = plain().to(dtype)
            with torch.no_grad():
                model[2].weight.sign_().mul_(1e-3)  # equal ones
            found = act(GSPPruner(model, zeros=share, group=Grouping(group))).zeros
            assert round(found * 768) == np.ceil(share * 768)


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_a_cut_keeps_the_largest_weights_and_holds_the_zeros(scope):
    model = plain()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    pruner = GSPPruner(model, 0.5, exclude=["first"] if scope == "layer" else [])
    summary = pruner.cut(0.9, scope=scope)
    assert pruner.is_frozen
    assert all(layer.zeros == np.ceil(0.9 * 256) / 256 for layer in summary.layers[-1:]) == (scope == "layer")
    weights = [dict(model.named_parameters())[name].detach() for name in names(pruner)]
    kept = torch.cat([weight.flatten() for weight in weights])
    old = torch.cat([before[name].flatten() for name in names(pruner)])
    assert int((kept == 0).sum()) == np.ceil(0.9 * len(kept))
    assert old[kept == 0].abs().max() <= old[kept != 0].abs().min()
    assert torch.equal(kept[kept != 0], old[kept != 0])
    with pytest.raises(ValueError, match="the masks are frozen"):
        pruner.cut(0.95)
    pruner.unfreeze()
    for arguments, message in [((1.5,), r"zeros is 1\.5"), ((0.5, "network"), 'scope is "network"')]:
        with pytest.raises(ValueError, match=message):
            pruner.cut(*arguments)


def test_a_schedule_scales_the_target():
    model = plain()
    pruner = GSPPruner(model, 0.8, every=2, start=1, schedule=ramp(1, 3))
    with pytest.raises(ValueError, match="so step needs the epoch"):
        pruner.step()
    seen = [
        [layer.sparsity for layer in pruner.summary().layers] for epoch in (0, 1, 1.5, 2, 2, 3, 5) if pruner.step(epoch)
    ]
    targets = [0.8 * ramp(1, 3)(epoch) for epoch in (1.5, 2, 5)]
    for found, target in zip(seen, targets, strict=True):
        assert min(found) >= target - 1e-5
    assert seen[-1] == pytest.approx([0.8, 0.8], abs=1e-4)
    with pytest.raises(ValueError, match="the schedule at epoch 1 is 2"):
        GSPPruner(model, 0.8, schedule=lambda epoch: 2).step(1)


@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_freeze_within_a_schedule_stays_at_its_fraction(is_resumed):
    zeros = []
    for calls in (2, 3):  # a projection, and one with a step behind it
        model = plain()
        pruner = GSPPruner(model, zeros=0.9, every=2, schedule=ramp(0, 10))
        for _ in range(calls):
            pruner.step(2)
        if is_resumed:
            state, pruner = pruner.state_dict(), GSPPruner(model, zeros=0.9, every=2, schedule=ramp(0, 10))
            pruner.load_state_dict(state)
        pruner.freeze_masks()
        zeros.append(pruner.summary().zeros)
    assert zeros[0] == zeros[1] == pytest.approx(0.9 * (1 - 0.8**3), abs=2e-3)


@pytest.mark.parametrize("target", ["sparsity", "zeros"])
def test_layers_with_a_target_of_their_own_follow_the_schedule(target):
    pruner = GSPPruner(plain(), group=Grouping(own=(("2.weight", 0.9),)), schedule=lambda epoch: 0.5, **{target: 0.6})
    pruner.step(0)
    found = {layer.name: layer.sparsity for layer in pruner.summary().layers}
    assert found["2.weight"] == pytest.approx(0.45, abs=0.02)


def test_options_beside_a_state_dict_are_read(tmp_path):
    """As training scripts keep them; they come out as they went in."""
    options = argparse.Namespace(lr=0.1, name="run", sizes=[1, 2])
    torch.save({"state_dict": plain().state_dict(), "args": options}, tmp_path / "a.pt")
    checkpoint = open_checkpoint(tmp_path / "a.pt")
    assert [layer.name for layer in checkpoint.layers] == ["0.weight", "2.weight"]
    from gsp_studio.pruning import save_checkpoint

    save_checkpoint(checkpoint, tmp_path / "b.pt", {"0.weight": np.zeros((32, 16), np.float32)})
    content = torch.load(tmp_path / "b.pt", weights_only=False)
    assert content["args"] == options
    assert not content["state_dict"]["0.weight"].any()
    with pytest.raises(pickle.UnpicklingError, match="Namespace"):  # the list holds for our reading alone
        torch.load(tmp_path / "a.pt", weights_only=True)
