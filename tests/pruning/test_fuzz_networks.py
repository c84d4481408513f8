"""Damaged files of networks, a few of the many that ``python tests/pruning/fuzz_networks.py --runs 20000`` tries."""

import fuzz_networks
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("safetensors")


@pytest.mark.parametrize("kind", fuzz_networks.KINDS)
def test_damaged_networks_end_in_one_sentence(tmp_path, kind):
    content = fuzz_networks.sample(kind, tmp_path)
    told = [(seed, fuzz_networks.attempt(kind, content, seed, tmp_path)) for seed in range(60)]
    assert [pair for pair in told if pair[1]] == []
