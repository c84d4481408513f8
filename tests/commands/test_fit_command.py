"""``fit`` and ``repeat`` never replace what they were not asked to, and never lose what they have computed."""

import json
import os
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from gsp_studio.cli import COMMANDS, _parser, main
from gsp_studio.commands import arguments
from gsp_studio.engine.cluster import defer_interrupts
from gsp_studio.engine.progress import ProgressBar
from gsp_studio.io.atomic import ExportError
from gsp_studio.io.export import run_folder
from gsp_studio.io.export.folder_names import name_of_data
from gsp_studio.io.run_json import read_run

FIT = ("--max-iter", "5", "--sparsity", "0.5", "--backend", "reference", "--quiet")


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """40 images of 6 x 5 in the current folder."""
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.random.default_rng(0).random((40, 6, 5)))
    return "a.npy"


def tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_runs_are_named_after_files_and_not_after_the_arrays_in_them(tmp_path, stack):
    for i, name in enumerate(("b", "c")):
        with h5py.File(f"{name}.h5", "w") as file:
            file["train/data"] = np.random.default_rng(i).random((30, 6, 5))
            file["test/data"] = np.random.default_rng(9).random((10, 6, 5))
    files = ("b.h5", "c.h5")
    assert main(["fit", *files, "--key", "train/data", "--rank", "3", *FIT, "--out", "out/{data}-{rank}"]) == 0
    assert sorted(path.parent.name for path in tmp_path.glob("out/*/run.json")) == ["b-3", "c-3"]


@pytest.mark.parametrize(
    ("paths", "out"),
    [
        (("a.npy", "x/a.npy"), "out"),
        (("a.npy", "x/b.npy"), "out/{rank}"),
        (("a.npy", "x/A.npy"), "out/{data}"),
        (("a.npy", "a.npy"), "out/{data}-{error}"),
    ],
)
def test_collisions_are_refused_before_anything_is_computed(tmp_path, stack, paths, out, capsys, monkeypatch):
    (tmp_path / "x").mkdir()
    for path in paths:
        np.save(path, np.ones((3, 4, 4)) + np.eye(4))
    monkeypatch.setattr("gsp_studio.commands.arguments.load", lambda args: pytest.fail("nothing is to be read"))
    assert main(["fit", *paths, "--rank", "2", *FIT, "--out", out]) == 2
    said = capsys.readouterr().err
    assert f"{paths[0]} and {paths[1]} would both be exported into out" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_another_run_is_replaced_by_force_alone(tmp_path, stack, capsys, monkeypatch):
    fit = ("fit", stack, *FIT, "--out", "out")
    assert main([*fit, "--rank", "3"]) == 0
    before = tree(tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr("gsp_studio.engine.runner.Runner.run", lambda *_: pytest.fail("nothing is to be computed"))
        for other in (("--rank", "4"), ("--rank", "3", "--seed", "1"), ("--rank", "3", "--threads", "1")):
            assert main([*fit, *other]) == 2
            told = capsys.readouterr().err
            assert "out holds another run (gsphals, rank 3, of a.npy); choose another folder, or replace" in told
            assert "--force" in told
        np.save("b.npy", np.random.default_rng(1).random((40, 6, 5)))
        assert main(["fit", "b.npy", "--rank", "3", *FIT, "--out", "out"]) == 2
    assert tree(tmp_path / "out") == before
    assert main([*fit, "--rank", "3"]) == 0, "the same run may replace itself"
    assert main([*fit, "--rank", "4", "--force"]) == 0
    assert read_run("out").start.rank == 4
    content = json.loads((tmp_path / "out" / "run.json").read_text())
    del content["result"]
    (tmp_path / "out" / "run.json").write_text(json.dumps(content))
    assert main([*fit, "--rank", "4"]) == 2
    assert "out holds another run, which cannot be read" in capsys.readouterr().err


def test_a_run_whose_folder_is_taken_meanwhile_goes_beside_it(tmp_path, stack, capsys, monkeypatch):
    assert main(["fit", stack, "--rank", "3", *FIT, "--out", "other"]) == 0

    def show(self, record):
        if record.n_iter == 5:
            (tmp_path / "other").rename(tmp_path / "out")

    monkeypatch.setattr(ProgressBar, "show", show)
    assert main(["fit", stack, "--rank", "2", *FIT, "--out", "out"]) == 0
    assert "this run is exported into out-2" in capsys.readouterr().err
    assert (read_run("out").start.rank, read_run("out-2").start.rank) == (3, 2)


def test_a_shorter_run_does_not_replace_a_longer_one(tmp_path, stack, capsys, monkeypatch):
    assert main(["fit", stack, "--rank", "3", *FIT, "--out", "out"]) == 0

    def show(self, record):
        if record.n_iter == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(ProgressBar, "show", show)
    assert main(["fit", stack, "--rank", "3", *FIT, "--out", "out"]) == 130
    assert "out holds more iterations of this run" in capsys.readouterr().err
    iterations = [read_run(name).content["result"]["iterations"] for name in ("out", "out-2")]
    assert iterations == [5, 2]


def test_a_run_is_not_repeated_into_its_own_folder(tmp_path, stack, capsys):
    assert main(["fit", stack, "--rank", "3", *FIT, "--out", "out"]) == 0
    before = tree(tmp_path / "out")
    assert main(["repeat", "out", "--out", "./out", "--force"]) == 2
    assert "out holds the run that is repeated; accepted is another folder" in capsys.readouterr().err
    assert tree(tmp_path / "out") == before
    assert main(["repeat", "out", "--out", "again", "--quiet"]) == 0
    assert main(["repeat", "out", "--out", "again", "--quiet"]) == 0


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("...npy", "data"),
        ("x/..npy", "data"),
        ("a.h5", "a"),
        ("faces.tar.gz", "faces.tar"),
        ("a b/ü ß?.npy", "ü-ß-"),
        ("=x.npy", "-x"),
        (f"{'long' * 100}.npy", "long" * 20),
        ("/", "data"),
        ("\udcff.npy", "data"),
    ],
)
def test_no_name_of_data_leads_to_another_folder(path, name):
    assert name_of_data(path) == name


# Ctrl-C


@pytest.fixture
def interrupted(monkeypatch):
    """Ctrl-C in an iteration, and two more while the result is written."""

    def show(self, record):
        if record.n_iter == 3:
            signal.raise_signal(signal.SIGINT)

    save = run_folder.save_image
    sent = []

    def save_image(*args):
        if len(sent) < 2:
            sent.append(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        save(*args)

    monkeypatch.setattr(ProgressBar, "show", show)
    monkeypatch.setattr(run_folder, "save_image", save_image)
    return sent


def test_three_interrupts_lose_nothing(tmp_path, stack, interrupted, capsys):
    before = signal.getsignal(signal.SIGINT)
    assert main(["fit", stack, "--rank", "3", *FIT, "--out", "out"]) == 130
    assert interrupted == [signal.SIGINT] * 2
    assert read_run("out").content["result"]["iterations"] == 3
    assert signal.getsignal(signal.SIGINT) is before
    told = capsys.readouterr().err
    assert "interrupted after 3 iterations; the best one" in told
    assert "nothing" not in told


def test_an_interrupt_that_a_callback_drops_ends_the_run_all_the_same(tmp_path, stack, monkeypatch):
    def show(self, record):
        if record.n_iter == 3:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                return  # as a finalizer does

    monkeypatch.setattr(ProgressBar, "show", show)
    assert main(["fit", stack, "--rank", "3", *FIT, "--out", "out"]) == 130
    assert read_run("out").content["result"]["iterations"] == 3


def test_an_interrupt_of_a_batch_ends_it_and_tells_what_is_done(tmp_path, stack, monkeypatch, capsys):
    np.save("b.npy", np.load(stack))
    load = arguments.load

    def interrupted(args):
        if args.path == "b.npy":
            raise KeyboardInterrupt
        return load(args)

    monkeypatch.setattr("gsp_studio.commands.arguments.load", interrupted)
    assert main(["fit", "a.npy", "b.npy", "--rank", "3", *FIT, "--out", "out"]) == 130
    assert "interrupted; 1 of 2 data sets are done" in capsys.readouterr().err
    assert read_run("out/a").start.rank == 3


def test_an_interrupt_waits_for_processes_to_be_started():
    child = "import signal; signal.raise_signal(signal.SIGINT); print('here')"
    told = []

    def start():
        with defer_interrupts():
            signal.raise_signal(signal.SIGINT)
            done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=False)
            told.append(done.stdout.strip())

    with pytest.raises(KeyboardInterrupt):
        start()
    assert told == ["here"] or os.name == "nt"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# Exports that fail after the work


def test_a_run_is_kept_where_an_extra_export_fails(tmp_path, stack, monkeypatch, capsys):
    def fails(*_):
        raise ExportError("SVG needs something")

    kept = dict(run_folder.EXTRAS)
    monkeypatch.setitem(run_folder.EXTRAS, "svg", type(kept["svg"])("SVG", "", (r"montage\.svg",), fails))
    assert main(["fit", stack, "--rank", "3", *FIT, "--also", "svg,mat", "--out", "out"]) == 2
    assert "SVG needs something; the run is exported without --also and --zoom" in capsys.readouterr().err
    assert read_run("out").start.rank == 3


def test_a_run_is_kept_elsewhere_where_its_folder_is_gone(tmp_path, stack, monkeypatch, capsys):
    def show(self, record):
        (tmp_path / "out").write_text("in the way")

    monkeypatch.setenv("TMPDIR", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(ProgressBar, "show", show)
    assert main(["fit", stack, "--rank", "3", *FIT, "--out", "out", "--json"]) == 2
    told = capsys.readouterr()
    assert "out cannot be the export folder: out is a file; the run is kept elsewhere" in told.err
    folder = json.loads(told.out)["folder"]
    assert folder.startswith(str(tmp_path / "elsewhere"))
    assert read_run(folder).start.rank == 3


# Words


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("fti", 'no such command: "fti"; did you mean "fit"?'),
        ("Repeat", 'no such command: "Repeat"; did you mean "repeat"?'),
        ("frobnicate", 'no such command: "frobnicate"; accepted are fit, repeat, compare, rank, sweep, '),
    ],
)
def test_a_misspelt_command_is_called_so(word, told, capsys):
    assert main([word, "a.npy"]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_tells_the_defaults(name):
    commands = next(action for action in _parser()._actions if hasattr(action, "choices") and action.choices)
    command = commands.choices[name]
    text = " ".join(command.format_help().split())
    for action in command._actions:
        if action.option_strings and not isinstance(action.default, bool) and isinstance(action.default, int | float):
            assert f"(default: {action.default})" in text, action.option_strings
    assert "default: None" not in text
    assert "(default: [])" not in text
    with pytest.raises(SystemExit):
        command.parse_args(["--threa", "1"])


def test_abbreviations_are_refused(stack, capsys):
    with pytest.raises(SystemExit):
        main(["fit", stack, "--ran", "3", *FIT, "--out", "out"])
    assert "--ran" in capsys.readouterr().err


def test_info_tells_where_caches_and_work_lie(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    for place in ("cache of compiled kernels: ", "work that was not saved: ", "finished runs of sweeps: ", "log: "):
        assert place in out


def test_reproduce_lists_all_that_it_can(capsys):
    assert main(["reproduce", "nothing", "--out", "o"]) == 2
    told = capsys.readouterr().err
    assert "fig5" in told
    assert "pruning" in told


def test_a_missing_file_is_a_sentence(stack, capsys):
    assert main(["repeat", "absent", "--out", "o"]) == 2
    assert main(["fit", stack, "--method", "wsnmf", "--weights", "absent.png", "--rank", "2", *FIT, "--out", "o"]) == 2
    told = capsys.readouterr().err
    assert "[Errno" not in told
    assert told.count("does not exist") == 2


# Surroundings


def cli(command, **env):
    return subprocess.run(
        ["sh", "-c", command.replace("gsp-studio", f"{sys.executable} -m gsp_studio.cli")],
        capture_output=True,
        timeout=240,
        check=False,
        env={**os.environ, **env},
    )


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells")
def test_a_reader_that_goes_away_is_no_error():
    done = cli("(gsp-studio info; echo $? >&2) | head -1")
    assert done.stdout.startswith(b"gsp-studio ")
    assert done.stderr.split() in ([b"141"], [b"0"])


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells")
def test_streams_that_are_closed(stack, tmp_path):
    fit = f"gsp-studio fit a.npy --rank 3 {' '.join(FIT)}"
    assert cli(f"{fit} --out o1 2>&-").returncode == 0
    assert cli(f"{fit} --out o2 >&- 2>&-").returncode == 0
    for name in ("o1", "o2"):
        assert read_run(name).start.rank == 3


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX locales")
def test_letters_that_a_locale_lacks(stack, tmp_path):
    np.save("größe.npy", np.load(stack))
    surroundings = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "HOME": str(tmp_path)}
    done = cli(f"gsp-studio fit größe.npy --rank 3 {' '.join(FIT)} --out ö; gsp-studio fit nö.npy", **surroundings)
    assert b"Logging error" not in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"3 files" not in done.stderr
    assert list(tmp_path.glob("*/run.json"))


def test_seeds_are_recorded_and_the_run_repeats_to_the_last_bit(tmp_path, stack, capsys):
    seeds = np.random.default_rng(1).random((2, 6, 5))
    np.save("seeds.npy", seeds)
    fit = ["fit", stack, "--rank", "3", "--method", "ahals", *FIT, "--seed-basis", "seeds.npy"]
    assert main([*fit, "--seed-hold", "always,first", "--out", "out"]) == 0
    assert "seeds: seeds 1, seeds 2" in capsys.readouterr().err
    run = read_run("out")
    np.testing.assert_array_equal(run.start.seed_basis, seeds.reshape(2, 30).T)
    assert run.start.seed_hold == "always,first"
    np.testing.assert_array_equal(np.load("out/factors.npz")["W"][:, :2], seeds.reshape(2, 30).T)
    os.remove("seeds.npy")  # the run's folder keeps them
    assert main(["repeat", "out", "--out", "again", "--quiet"]) == 0
    assert "the same to the last bit" in capsys.readouterr().out
    subprocess.run([sys.executable, "out/repeat.py"], check=True, capture_output=True)


def test_a_reference_is_told_and_written(tmp_path, stack, capsys):
    np.save("truth.npy", np.random.default_rng(1).random((3, 40)))
    assert main(["fit", stack, "--rank", "3", *FIT, "--out", "out", "--truth", "truth.npy"]) == 0
    told = capsys.readouterr().out
    assert "material" in told
    assert "RMSE" in told
    content = json.loads((tmp_path / "out/run.json").read_text())
    assert len(content["truth"]["materials"]) == 3
    assert content["truth"]["reference"] == "truth.npy"
    assert "beside truth.npy:" in told
    assert (tmp_path / "out/truth.csv").read_text().splitlines()[1].endswith(",truth.npy")
    assert content["truth"]["mean_angle"] is None
    assert (tmp_path / "out/truth.csv").read_text().count("\n") == 5
    read_run("out")
    assert main(["compare", "out", "out", "--truth", "truth.npy", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[1]["truth"] == content["truth"]
    assert main(["fit", stack, "--rank", "3", *FIT, "--out", "other", "--truth", "labels"]) == 2
    assert "has no labels" in capsys.readouterr().err
