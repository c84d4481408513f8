"""Small networks as files of every format, made by the libraries that define these."""

from __future__ import annotations

import numpy as np

from gsp_studio.pruning import Grouping


def weights(seed=0):
    """A small network by name: two convolutions, norms, biases, an embedding, integers, two linear layers."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    return {
        "conv1.weight": normal(8, 3, 3, 3),
        "conv1.bias": normal(8),
        "bn1.weight": np.ones(8, np.float32),
        "bn1.num_batches_tracked": np.array(7),
        "conv2.weight": normal(12, 8, 3, 3),
        "embed.weight": normal(20, 6),
        "fc1.weight": 5 * normal(16, 108),
        "fc2.weight": normal(10, 16),
    }


#: The projection itself, as the paper has it.
PAPER = {"values": "shrunken", "keep_one": True, "shares": "paper"}


def paper(*args, **options):
    """A grouping whose weights are those of the core's projection."""
    return Grouping(*args, **options, **PAPER)


LAYERS = ["conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight"]


def make_safetensors(path, arrays=None):
    from safetensors.numpy import save_file

    save_file(dict(arrays or weights()), path, metadata={"made by": "a test"})


def make_npz(path, arrays=None):
    np.savez_compressed(path, **(arrays or weights()))


def make_torch(path, arrays=None, wrap=None, **options):
    import torch

    state = {name: torch.from_numpy(np.array(values)) for name, values in (arrays or weights()).items()}
    torch.save(state if wrap is None else wrap(state), path, **options)


def onnx_model(arrays=None):
    """x (n, 108) -> MatMul by (108, 16) -> Gemm by (10, 16), transposed; the other arrays lie unused."""
    from onnx import TensorProto, helper, numpy_helper

    arrays = dict(arrays or weights())
    arrays["fc1.weight"] = np.ascontiguousarray(arrays["fc1.weight"].T)
    nodes = [
        helper.make_node("MatMul", ["x", "fc1.weight"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Gemm", ["b", "fc2.weight"], ["y"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 108])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(values, name) for name, values in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def make_onnx(path, arrays=None, **options):
    import onnx

    onnx.save_model(onnx_model(arrays), path, **options)


MAKERS = {".safetensors": make_safetensors, ".npz": make_npz, ".pt": make_torch, ".onnx": make_onnx}
