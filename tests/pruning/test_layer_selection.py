"""What is chosen, by whatever name it goes: several names, other tools, wrappers of files, compiled models."""

import argparse
import io
import warnings
from pathlib import Path

import numpy as np
import pytest

from gsp_studio.cli import main
from gsp_studio.pruning import CheckpointError, open_checkpoint, save_checkpoint

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn.utils import prune  # noqa: E402

from gsp_studio.pruning import GSPPruner  # noqa: E402


def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8))


def names(pruner):
    return [layer.name for layer in pruner.summary().layers]


@pytest.mark.parametrize(
    ("choose", "expected"),
    [
        (lambda m: {"exclude": "0.weight"}, ["2.weight", "3.weight"]),
        (lambda m: {"include": "2.weight"}, ["2.weight"]),
        (lambda m: {"exclude": nn.Linear}, ["3.weight"]),
        (lambda m: {"include": [m[2], m[3].weight]}, ["2.weight", "3.weight"]),
        (lambda m: {"exclude": m[0]}, ["2.weight", "3.weight"]),
        (lambda m: {"exclude": m[3].weight}, ["0.weight", "2.weight"]),
        (lambda m: {"exclude": ["4", nn.BatchNorm1d, "3.bias", "last"]}, ["0.weight", "2.weight"]),
    ],
)
def test_a_single_selector_and_modules_and_parameters_themselves(choose, expected):
    """Biases and norms, which are left as they are anyway, may be named."""
    model = nn.Sequential(*plain(), nn.Bilinear(8, 8, 8), nn.BatchNorm1d(8))
    assert names(GSPPruner(model, zeros=0.5, **choose(model))) == expected


def test_what_selects_nothing_is_refused():
    for options, message in [
        ({"exclude": [0]}, "exclude holds 0; accepted are names, patterns, types, modules and parameters"),
        ({"include": [None]}, "include holds None"),
        ({"exclude": [nn.Linear(2, 2)]}, 'no layer is called "Linear"'),
        ({"include": ["0.bias"]}, r'no layer is called "0\.bias"'),
    ]:
        with pytest.raises(ValueError, match=message):
            GSPPruner(plain(), zeros=0.5, **options)
    with pytest.raises(ValueError, match="the model is of type str"):
        GSPPruner("model.pt", zeros=0.5)
    with torch.device("meta"):
        model = plain()
    with pytest.raises(ValueError, match=r"layer 0\.weight is on the device meta, without values"):
        GSPPruner(model, zeros=0.5)


def test_tied_weights_have_all_their_names():
    model = plain()
    model.add_module("again", nn.Linear(16, 32))
    model.again.weight = model[0].weight
    assert names(GSPPruner(model, zeros=0.5)) == ["0.weight", "2.weight"]
    pruner = GSPPruner(model, zeros=0.5, exclude=["again"])
    assert names(pruner) == ["2.weight"]
    assert [array.name for array in pruner.left_out] == ["0.weight"]
    assert names(GSPPruner(model, zeros=0.5, include=["again.weight"])) == ["0.weight"]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_each_tool_has_its_own_cure():
    model = nn.Sequential(
        nn.utils.spectral_norm(nn.Linear(8, 8)), nn.utils.weight_norm(nn.Linear(8, 8)), nn.LSTM(8, 8), nn.Linear(8, 8)
    )
    prune.l1_unstructured(model[2], "weight_hh_l0", 0.5)
    with pytest.warns(UserWarning, match="not pruned"):
        pruner = GSPPruner(model, zeros=0.5)
    assert names(pruner) == ["2.weight_ih_l0", "3.weight"]
    reasons = {array.name: array.reason for array in pruner.left_out}
    assert reasons.keys() == {"0.weight_orig", "1.weight_g", "1.weight_v", "2.weight_hh_l0_orig"}
    assert "remove_spectral_norm(module)" in reasons["0.weight_orig"]
    assert "remove_weight_norm(module)" in reasons["1.weight_g"]
    assert reasons["1.weight_v"] == reasons["1.weight_g"]
    assert 'prune.remove(module, "weight_hh_l0")' in reasons["2.weight_hh_l0_orig"]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_files_of_other_tools_are_named_with_the_cure(tmp_path, capsys):
    """Neither their masks nor the parts that a weight is computed from are layers."""
    model = nn.Sequential(*plain(), nn.utils.parametrizations.weight_norm(nn.Linear(8, 8)))
    prune.l1_unstructured(model[0], "weight", 0.5)
    torch.save(model.state_dict(), tmp_path / "a.pt")
    checkpoint = open_checkpoint(tmp_path / "a.pt")
    assert [layer.name for layer in checkpoint.layers] == ["2.weight"]
    reasons = {array.name: array.reason for array in checkpoint.left_alone if "bias" not in array.name}
    assert set(reasons) == {
        "0.weight_orig",
        "0.weight_mask",
        "3.parametrizations.weight.original0",
        "3.parametrizations.weight.original1",
    }
    assert 'torch.nn.utils.prune.remove(module, "weight")' in reasons["0.weight_mask"]
    for command in ([], ["--to-zeros", "0.5", "--out", str(tmp_path / "b.pt")]):
        assert main(["prune", str(tmp_path / "a.pt"), *command]) == 0
        said = capsys.readouterr().out
        assert "left alone: 0.weight_orig, 0.weight_mask: pruned by torch.nn.utils.prune" in said
        assert "remove_parametrizations makes it plain again" in said
    prune.l1_unstructured(model[2], "weight", 0.5)
    np.savez(tmp_path / "c.npz", **{name: values.numpy() for name, values in model.state_dict().items()})
    with pytest.raises(CheckpointError, match=r"no layer to prune: .*weight_orig is pruned by torch\.nn"):
        open_checkpoint(tmp_path / "c.npz")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".npz"])
@pytest.mark.parametrize("wrap", ["module.{}", "_orig_mod.{}", "module._orig_mod.{}", "_fsdp_wrapped_module.{}"])
def test_wrappers_in_files_are_not_shown(tmp_path, suffix, wrap):
    state = {wrap.format(name): values for name, values in plain().state_dict().items()}
    path, out = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"

    def save():
        if suffix == ".pt":
            torch.save(state, path)
        elif suffix == ".npz":
            np.savez(path, **{name: values.numpy() for name, values in state.items()})
        else:
            from safetensors.torch import save_file

            save_file(state, path)

    save()
    checkpoint = open_checkpoint(path)
    assert [layer.name for layer in checkpoint.layers] == ["0.weight", "2.weight"]
    save_checkpoint(checkpoint, out, {"2.weight": np.zeros((8, 32), np.float32)})
    assert open_checkpoint(out)["2.weight"].key == wrap.format("2.weight")
    assert open_checkpoint(out)["2.weight"].zeros == 1
    assert open_checkpoint(out)["0.weight"].zeros == 0


def test_compiled_parts_in_files_are_not_shown(tmp_path):
    inner = nn.Sequential(torch.compile(nn.Sequential(nn.Linear(8, 8)), backend="eager"), nn.Linear(8, 8))
    torch.save(inner.state_dict(), tmp_path / "a.pt")
    assert [layer.name for layer in open_checkpoint(tmp_path / "a.pt").layers] == ["0.0.weight", "1.weight"]
    twice = {"a._orig_mod.weight": torch.ones(8, 8), "a.weight": torch.zeros(8, 8)}  # of which none may be lost
    torch.save(twice, tmp_path / "b.pt")
    assert [layer.name for layer in open_checkpoint(tmp_path / "b.pt").layers] == list(twice)


def test_paths_among_the_options_beside_a_state_dict_are_read(tmp_path):
    options = argparse.Namespace(out=Path("runs") / "a", data=argparse.Namespace(root=Path("/data")), lr=0.1)
    torch.save({"model": plain().state_dict(), "args": options}, tmp_path / "a.pt")
    checkpoint = open_checkpoint(tmp_path / "a.pt")
    assert [layer.name for layer in checkpoint.layers] == ["0.weight", "2.weight"]
    save_checkpoint(checkpoint, tmp_path / "b.pt", {})
    assert torch.load(tmp_path / "b.pt", weights_only=False)["args"] == options


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_compiled_model_is_trained_with_held_zeros(when):
    """The graph has none of the checks; the gradients, the steps and the wrapper that was given hold the zeros."""
    torch.compiler.reset()
    model = plain()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    pruner = GSPPruner(compiled if when == "before" else model, zeros=0.8)
    pruner.single_shot()
    pruner.freeze_masks()
    optimizer = torch.optim.AdamW(compiled.parameters(), 0.1, weight_decay=0.5)
    x = torch.randn(4, 16)
    for _ in range(3):
        optimizer.zero_grad()
        compiled(x).sum().backward()
        optimizer.step()
    assert pruner.summary().zeros == pytest.approx(0.8, abs=2e-3)
    if when == "before":
        with torch.no_grad():
            model[2].weight.add_(1.0)
        compiled(x)
        assert pruner.summary().zeros == pytest.approx(0.8, abs=2e-3)
    pruner.finish()
    for each in (model, compiled):
        assert not each._forward_pre_hooks
    assert torch.allclose(torch.compile(model, backend="eager", fullgraph=True)(x), model(x))


def test_a_state_of_other_layers_is_refused():
    pruner = GSPPruner(plain(), zeros=0.5, exclude=["0"])
    buffer = io.BytesIO()
    torch.save(pruner.state_dict(), buffer)
    buffer.seek(0)
    state = torch.load(buffer, weights_only=True)
    with pytest.raises(ValueError, match=r"of other layers: 0\.weight is, and was not among those of this pruner"):
        GSPPruner(plain(), zeros=0.5).load_state_dict(state)
    with pytest.raises(ValueError, match=r"of other layers: 2\.weight is not among those of this pruner"):
        GSPPruner(plain(), zeros=0.5, exclude=["2"]).load_state_dict(state)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GSPPruner(plain(), zeros=0.1, exclude=["0.weight"]).load_state_dict(state)


def _with(weight):
    layer = nn.Linear(8, 6)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    return nn.Sequential(nn.Linear(8, 8), layer)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support:UserWarning")
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: torch.randn(6, 8).to(torch.float8_e4m3fn), "of type float8_e4m3fn"),
        (lambda: torch.randn(6, 8).to_sparse(), "of a sparse layout"),
        (lambda: torch.randn(6, 8).to_sparse_csr(), "of a sparse layout"),
        (lambda: torch.randn(1, 8).expand(6, 8), "expanded"),
        (lambda: torch.empty(0, 8), "without weights"),
    ],
)
@pytest.mark.parametrize("include", [(), ("0", "1")])
def test_weights_that_cannot_be_pruned_are_left_with_a_reason(make, reason, include):
    with pytest.warns(UserWarning, match=reason):
        pruner = GSPPruner(_with(make()), 0.5, include=include)
    assert [layer.name for layer in pruner.cut(0.5).layers] == ["0.weight"]


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("is_inner", [False, True])
def test_scripted_models_get_a_sentence(is_inner):
    scripted = torch.jit.script(nn.Sequential(nn.Linear(8, 8)))
    with pytest.raises(ValueError, match="the model is scripted; accepted is"):
        GSPPruner(nn.Sequential(scripted) if is_inner else scripted, 0.5)


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("tool", ["weight_norm", "parametrized", "prune"])
def test_a_frozen_layer_that_a_tool_takes_over_can_be_finished(tool):
    from torch.nn.utils import parametrizations, weight_norm

    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    pruner = GSPPruner(model, 0.5)
    pruner.cut(0.5)
    tools = {"weight_norm": weight_norm, "parametrized": parametrizations.weight_norm}
    if tool == "prune":
        prune.l1_unstructured(model[0], "weight", 0.1)
    else:
        tools[tool](model[0])
    model(torch.randn(3, 8)).sum().backward()
    assert pruner.finish().zeros == pytest.approx(0.5, abs=0.02)
    assert not model[1]._forward_pre_hooks
