"""The core on every backend: with ``--everywhere`` all tests of this folder, else those that `QUICK` names.

A test that asks for no backend by name runs on the processor. Here it runs again with "auto" meaning the reference, and
again with a CUDA device: the real one where there is one, else the fake one of `tests/device`, whose launches run the
kernels' own source. Tolerances are the tests' own.
"""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from device import emulation, on_fake_device

from gsp_studio import backends
from gsp_studio.core import path, projection

#: Tests that are quick on a fake device and between them reach every method, edit, mask, path and kind of group.
QUICK = {
    "test_reference_vectors",
    "test_ties_are_dropped_lowest_index_kept_in_as_few_vectors_as_needed",
    "test_sizes_at_the_ends_of_float64",
    "test_pinned_vectors_and_the_rest_share_the_budget",
    "test_multiplier_and_support_are_monotone_in_the_target",
    "test_below_its_own_sparsity_x_comes_back",
    "test_every_iterate_of_psnmf_meets_its_target_and_is_nonnegative",
    "test_the_dense_basis_projects_to_the_basis_exactly",
    "test_gram_error_of_any_basis_needs_no_data",
    "test_iterates_are_never_written_again",
    "test_a_very_good_fit_has_an_error_with_digits_in_float32",
    "test_same_seed_same_bits_another_seed_another_result",
    "test_memory_order_does_not_matter_and_the_input_is_kept",
    "test_given_factors_start_the_run_and_are_kept",
    "test_zero_images_and_zero_pixels_survive",
    "test_rank_one_and_full_rank",
    "test_steering_changes_the_target_of_the_next_iterate",
    "test_factorize_keeps_the_best",
    "test_the_error_is_that_of_the_entries_that_are_there",
    "test_frozen_basis_images_keep_their_bits_and_the_others_go_on",
    "test_kill_takes_one_away_and_the_others_stay",
    "test_split_beside_a_basis_image_that_no_image_uses_begins_one_from_the_residual",
    "test_reseed_gives_another_basis_image",
    "test_masked_entries_stay_unread_through_edits",
    "test_reseeding_brings_them_back_and_lowers_the_error",
    "test_against_the_definition",
    "test_every_reason_is_told",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    config = metafunc.config
    everywhere = config.getoption("everywhere") or metafunc.function.__name__ in QUICK
    if everywhere and not config.getoption("quick") and "backend" not in metafunc.fixturenames:
        metafunc.fixturenames.append("where")
        metafunc.parametrize("where", ["cpu", "reference", "cuda"], indirect=True)


@pytest.fixture
def where(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """What "auto" is, and where projections are computed by default."""
    if request.param != "cuda":
        monkeypatch.setattr(backends, "_best", lambda: request.param)
        yield request.param
        return
    if backends._problem("cuda") and emulation.compiler() is None:
        pytest.skip("needs a CUDA device, or a C++ compiler for the fake one")
    with nullcontext() if not backends._problem("cuda") else on_fake_device():
        remote = backends.get_backend("cuda").remote
        for module in (projection, path):  # those that name no backend
            own = module.remote_of
            monkeypatch.setattr(module, "remote_of", lambda name, own=own: remote if name == "cpu" else own(name))
        yield "cuda"
