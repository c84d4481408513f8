"""The command line as a user meets it: a process of its own, files on disk, one sentence for bad input."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import scipy.io
from PIL import Image

import gsp_studio as gs
from gsp_studio.cli import main
from gsp_studio.core.matching import match_bases
from gsp_studio.io import logfile
from gsp_studio.io.run_json import read_run

PATIENCE = 240


def cli(*args, **kwargs):
    """Run gsp-studio in a process of its own."""
    command = [sys.executable, "-m", "gsp_studio.cli", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, **kwargs)


@pytest.fixture
def stack(tmp_path):
    """40 images of 6 x 5 in a .npy stack."""
    path = tmp_path / "stack.npy"
    np.save(path, np.random.default_rng(0).random((40, 6, 5)).astype(np.float32))
    return path


def test_fit_exports_what_the_python_api_computes(stack, tmp_path):
    out = tmp_path / "out"
    done = cli("fit", stack, "--rank", 4, "--sparsity", 0.6, "--max-iter", 15, "--seed", 2, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "15/15" in done.stderr
    assert "error" in done.stdout
    run = json.loads((out / "run.json").read_text())
    data = gs.load_dataset(stack)
    result = gs.factorize(data.X, gs.Params(rank=4, sparsity=0.6, max_iter=15, seed=2))
    with np.load(out / "factors.npz") as factors:
        assert np.array_equal(factors["W"], result.W)
        assert np.array_equal(factors["H"], result.H)
        assert tuple(factors["image_shape"]) == (6, 5)
    text = json.dumps(run)
    assert data.fingerprint in text
    assert '"seed": 2' in text
    assert '"rank": 4' in text
    history = (out / "history.csv").read_text().splitlines()
    assert len(history) == 16
    assert list(out.rglob("*.png"))


def test_fit_reads_columns_of_a_mat_file_as_images(tmp_path):
    X = np.random.default_rng(0).random((30, 50))
    scipy.io.savemat(tmp_path / "m.mat", {"X": X})
    args = ["--rank", 3, "--max-iter", 3, "--image-shape", "6x5", "--order", "F", "--dtype", "float32", "--threads", 1]
    done = cli("fit", tmp_path / "m.mat", *args, "--out", tmp_path / "out", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "50 images of 6 x 5, float32, order F" in done.stderr
    with np.load(tmp_path / "out" / "factors.npz") as factors:
        assert factors["W"].shape == (30, 3)
        assert factors["W"].dtype == np.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--sparsity", "1.5"], "sparsity is 1.5; accepted is a number from 0 to 1"),
        (["--rank", "31"], "rank 31 exceeds min(m, n) = 30"),
        (["--method", "magic"], 'method "magic" is not known'),
        (["--image-shape", "7x7"], "7"),
        (["--threads", "0"], "threads is 0"),
        (["--backend", "tpu"], 'backend "tpu" is not known'),
    ],
)
def test_bad_arguments_give_one_sentence_and_write_nothing(change, message, stack, tmp_path, capsys):
    args = ["fit", str(stack), "--rank", "4", "--max-iter", "2", "--out", str(tmp_path / "out"), *change]
    assert main(args) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert len([line for line in captured.err.splitlines() if line.startswith("gsp-studio:")]) == 1
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def spoiled(kind, folder):
    """A data set that cannot be used, and a word of the sentence that says why."""
    good = np.random.default_rng(0).random((8, 6, 5))
    if kind == "missing":
        return folder / "nowhere.npy", "nowhere.npy"
    if kind == "empty folder":
        (folder / "empty").mkdir()
        return folder / "empty", "no image"
    if kind == "text named .png":
        (folder / "a.png").write_text("this is not an image")
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / "b.png")
        return folder, "a.png"
    if kind == "nan":
        good[3, 2, 1] = np.nan
    else:
        good[3, 2, 1] = -1.0
    np.save(folder / "bad.npy", good)
    return folder / "bad.npy", {"nan": "NaN", "negative": "negative"}[kind]


@pytest.mark.parametrize("kind", ["missing", "empty folder", "text named .png", "nan", "negative"])
def test_bad_data_give_one_sentence_and_write_nothing(kind, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    path, word = spoiled(kind, tmp_path / "data")
    assert main(["fit", str(path), "--rank", "2", "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert word in captured.err
    assert "Traceback" not in captured.err
    assert not (tmp_path / "out").exists()


def test_an_unwritable_export_folder_is_named_before_the_work(stack, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main(["fit", str(stack), "--rank", "2", "--max-iter", "100000000", "--out", str(tmp_path / "file")]) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_keeps_and_exports_the_best_iterate(stack, tmp_path):
    out = tmp_path / "out"
    args = ["fit", stack, "--rank", 4, "--max-iter", 10**7, "--tol", 0, "--out", out]
    command = [sys.executable, "-m", "gsp_studio.cli", *map(str, args)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert "40 images" in process.stderr.readline()
        # Whether the solver has begun or still compiles, the interrupt must end in one sentence.
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, stderr
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    if "nothing" not in stderr:
        assert (out / "run.json").exists()
        assert "files in" in stdout


def test_interrupting_in_mid_run_keeps_the_best(stack, tmp_path, monkeypatch, capsys):
    from gsp_studio.engine.progress import ProgressBar

    def show(self, record):
        if record.n_iter == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(ProgressBar, "show", show)
    out = tmp_path / "out"
    assert main(["fit", str(stack), "--rank", "4", "--max-iter", "1000000", "--tol", "0", "--out", str(out)]) == 130
    assert "interrupted after 5 iterations" in capsys.readouterr().err
    assert len((out / "history.csv").read_text().splitlines()) == 6


def test_an_interrupt_anywhere_ends_with_the_exit_code_for_it():
    """CPython ends itself by the signal after one that hit text being executed, which numba's import does a lot."""
    code = (
        "import sys; from gsp_studio import cli; cli.info.run = lambda args: exec('raise KeyboardInterrupt'); "
        "sys.exit(cli.main(['info']))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 130
    assert ended.stderr == "gsp-studio: interrupted; nothing was written\n"


def test_a_run_repeats_from_its_export_to_the_last_bit(stack, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["fit", str(stack), "--rank", "4", "--sparsity", "0.6", "--max-iter", "30", "--out", str(first)]) == 0
    assert main(["repeat", str(first), "--out", str(second), "--quiet"]) == 0
    assert "the same to the last bit" in capsys.readouterr().out
    moved = stack.rename(tmp_path / "moved.npy")
    assert main(["repeat", str(first / "run.json"), "--out", str(second)]) == 2
    assert "stack.npy does not exist" in capsys.readouterr().err
    assert main(["repeat", str(first), "--data", str(moved), "--out", str(second), "--quiet"]) == 0
    other = tmp_path / "other.npy"
    np.save(other, np.load(moved) + 1)
    assert main(["repeat", str(first), "--data", str(other), "--out", str(second)]) == 2
    assert "fingerprint differs" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--continuation", "--sparsity-h", "0.3", "--init", "nndsvdar"],
        ["--continuation", "7", "--max-seconds", "0.05", "--reseed-dead"],
        ["--init", "images", "--tol", "0.01"],
        ["--method", "ahals", "--kkt-tol", "0.1"],
        ["--method", "wsnmf", "--weights", "weights.npy", "--mask", "mask.npy"],
        ["--method", "wsnmf", "--weights", "weights.png", "--mask", "entries.npy"],
    ],
)
def test_every_option_of_the_solver_repeats_to_the_last_bit(stack, tmp_path, monkeypatch, capsys, options):
    monkeypatch.chdir(tmp_path)
    m, n = gs.load_dataset(stack).X.shape
    shape = gs.load_dataset(stack).image_shape
    rng = np.random.default_rng(0)
    np.save("weights.npy", 1 + rng.random(shape))
    Image.fromarray(rng.integers(50, 255, shape).astype(np.uint8)).save("weights.png")
    np.save("mask.npy", rng.random(shape) < 0.1)
    np.save("entries.npy", rng.random((m, n)) < 0.1)
    fit = ["fit", str(stack), "--rank", "4", "--sparsity", "0.5", "--max-iter", "40", "--quiet"]
    assert main([*fit, *options, "--out", "first"]) == 0
    assert main(["repeat", "first", "--out", "second", "--quiet"]) == 0
    assert "the same to the last bit" in capsys.readouterr().out


def test_a_run_goes_on_from_another_one(stack, tmp_path, capsys):
    fit = ["fit", str(stack), "--rank", "4", "--sparsity", "0.6", "--max-iter", "20", "--quiet"]
    assert main([*fit, "--out", str(tmp_path / "first")]) == 0
    assert main([*fit, "--init", str(tmp_path / "first"), "--out", str(tmp_path / "second")]) == 0
    errors = [read_run(tmp_path / name).content["result"]["error"] for name in ("first", "second")]
    assert errors[1] < errors[0]
    assert main([*fit, "--init", str(tmp_path), "--out", str(tmp_path / "third")]) == 2
    assert "holds no factors of an exported run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mask", "absent.npy"], "absent.npy does not exist"),
        (["--mask", "text.npy"], "text.npy is damaged"),
        (["--mask", "text.png"], "text.png is damaged"),
        (["--mask", "small.npy"], r"small.npy has shape (2, 2); accepted are that of the images"),
        (["--mask", "all.npy"], "mask leaves no entry"),
        (["--method", "wsnmf"], 'the method "wsnmf" needs weights'),
        (["--init", "somehow"], 'init is "somehow"; accepted are random'),
    ],
)
def test_bad_masks_weights_and_starts_get_one_sentence(stack, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    for name in ("text.npy", "text.png"):
        (tmp_path / name).write_text("no array and no image")
    np.save("small.npy", np.ones((2, 2)))
    np.save("all.npy", np.ones(gs.load_dataset(stack).image_shape))
    assert main(["fit", str(stack), "--rank", "4", "--max-iter", "3", "--out", "out", "--quiet", *options]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("gsp-studio: ")]
    assert len(said) == 1
    assert message in said[0]
    assert not (tmp_path / "out").exists()


def test_compare_prints_a_line_a_method(stack, capsys):
    assert main(["compare", str(stack), "--rank", "3", "--sparsity", "0.6", "--max-iter", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["method", "A-HALS", "GSP-HALS"]


def test_info_and_version(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "backend cpu:" in out
    assert "numpy" in out
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert gs.__version__ in capsys.readouterr().out


def test_fit_never_imports_qt(stack, tmp_path):
    script = (
        "import sys; from gsp_studio.cli import main; "
        f"code = main(['fit', {str(stack)!r}, '--rank', '2', '--max-iter', '2', '--out', {str(tmp_path / 'o')!r}]); "
        "print(code, [name for name in sys.modules if name.split('.')[0] in ('PySide6', 'pyqtgraph', 'superqt')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


@pytest.mark.parametrize("missing", ["PySide6", "PySide6.QtWidgets", "pyqtgraph"])
def test_the_window_without_its_extra_is_one_sentence(missing, stack, monkeypatch, capsys):
    pytest.importorskip("PySide6.QtWidgets")  # what is missing is missing, whatever a test before has imported
    monkeypatch.setitem(sys.modules, missing, None)  # an import of it fails, as where it is not installed
    assert main([str(stack)]) == 2
    [told] = capsys.readouterr().err.splitlines()
    assert told.startswith(f"gsp-studio: the window needs {missing.partition('.')[0]}, which is not installed; ")
    assert '"gsp-studio[gui]"' in told
    assert "fit" in told


def test_qt_that_does_not_load_is_one_sentence(monkeypatch, capsys):
    def fail(name):
        raise ImportError("libEGL.so.1: cannot open shared object file: No such file or directory", name=name)

    monkeypatch.setattr("gsp_studio.cli.importlib.import_module", fail)
    assert main([]) == 2
    assert capsys.readouterr().err == (
        "gsp-studio: the window cannot start, as Qt does not load here: "
        "libEGL.so.1: cannot open shared object file: No such file or directory\n"
    )


def test_steps_on_the_command_line(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((8, 12, 10)))
    steps = ["--step", "crop:top=1,left=2,height=8,width=6", "--step", "normalize:by=norm"]
    common = ["fit", str(tmp_path / "x.npy"), "--rank", "2", "--max-iter", "2", "--quiet", "--out", str(tmp_path / "o")]
    assert main([*common, *steps]) == 0
    data = read_run(tmp_path / "o").content["data"]
    assert data["image_shape"] == [8, 6]
    assert [step["kind"] for step in data["options"]["steps"]] == ["crop", "normalize"]
    assert main([*common, "--step", "blur:by=2"]) == 2
    assert 'step "blur" is not known' in capsys.readouterr().err


def test_what_is_chosen_of_a_source_repeats(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 255, (60, 8, 6), np.uint8))
    for k, options in enumerate(
        (["--storage", "disk", "--subset", "5:50"], ["--samples", "pixels", "--subset", ":40:2"], ["--labels", "none"])
    ):
        out = tmp_path / f"out{k}"
        args = ["--rank", "3", "--max-iter", "5", "--sparsity", "0.4", "--quiet", "--out", str(out)]
        assert main(["fit", str(tmp_path / "x.npy"), *args, *options]) == 0
        assert (out / "maps.png").exists() == (k == 1)
        capsys.readouterr()
        assert main(["repeat", str(out), "--out", str(tmp_path / f"again{k}"), "--quiet"]) == 0
        assert "the same to the last bit" in capsys.readouterr().out
        done = subprocess.run([sys.executable, out / "repeat.py"], capture_output=True, text=True, check=False)
        assert "the same to the last bit" in done.stdout, done.stderr
    run = read_run(tmp_path / "out0")
    assert (run.options.subset, run.options.storage) == ((5, 50, 1), "disk")


@pytest.mark.parametrize("text", ["5", "a:b", "1:2:3:4", "1:2:", "-1:4"])
def test_a_subset_that_is_none_gets_one_sentence(text, stack, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["fit", str(stack), "--rank", "2", "--out", str(tmp_path / "out"), f"--subset={text}"])
    assert f'subset "{text}" is not START:STOP:STEP, for example 0:1000' in capsys.readouterr().err


def test_a_batch_goes_on_after_a_failure(stack, tmp_path, capsys):
    np.save(tmp_path / "other.npy", np.random.default_rng(1).random((30, 6, 5)))
    (tmp_path / "bad.npy").write_text("words")
    args = ["--rank", "3", "--max-iter", "5", "--sparsity", "0.4", "--quiet", "--json"]
    paths = [str(stack), str(tmp_path / "bad.npy"), str(tmp_path / "other.npy")]
    assert main(["fit", *paths, *args, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr()
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert [row["source"] for row in rows] == paths
    assert "problem" in rows[1]
    assert rows[0]["folder"] == str(tmp_path / "out" / "stack")
    assert {row["rank"] for row in (rows[0], rows[2])} == {3}
    assert "1 of 3 data sets could not be factorized" in told.err
    assert (tmp_path / "out/other/run.json").exists()
    runs = [str(tmp_path / "out" / name) for name in ("stack", "other", "stack")]
    assert main(["compare", *runs, "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared[2]["similarity"] == pytest.approx(1, abs=1e-6)
    assert compared[2]["differs"] == {"error": 0, "sparsity": 0}
    assert compared[1]["similarity"] < 1
    mean_cosine = match_bases(*(np.load(os.path.join(run, "factors.npz"))["W"] for run in runs[:2])).cosine.mean()
    assert compared[1]["similarity"] < mean_cosine - 0.1, "above chance"
    assert main(["compare", *runs]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_entries_are_held_out_and_a_comparison_says_so(stack, tmp_path, capsys):
    args = ["fit", str(stack), "--rank", "3", "--max-iter", "5", "--sparsity", "0.4", "--quiet"]
    folders = [str(tmp_path / name) for name in ("all", "some")]
    for folder, more in zip(folders, ([], ["--held-out", "0.02"]), strict=True):
        assert main([*args, *more, "--out", folder]) == 0
    told = capsys.readouterr().out
    assert len(re.findall(r"error [\d.]+ %  held out [\d.]+ %  sparsity", told)) == 1
    with open(os.path.join(folders[1], "run.json"), encoding="utf-8") as file:
        run = json.load(file)
    assert run["params"]["held_out"] == 0.02
    assert main(["fit", "--config", folders[1], "--out", str(tmp_path / "again"), "--quiet"]) == 0
    assert "the same to the last bit" in capsys.readouterr().out
    assert main(["compare", *folders]) == 0
    percent = f"{100 * run['result']['held_out_error']:.3f} %"
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == (
        f"{folders[1]}: its error is that of the 98 % of the entries that it has seen; that of the others is {percent}"
    )
    assert main(["compare", *folders, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)[1]["differs"]) == {"sparsity"}
    with pytest.raises(SystemExit):
        main([*args, "--held-out", "many", "--out", folders[0]])
    assert main([*args, "--held-out", "0.7", "--out", str(tmp_path / "none")]) == 2
    assert "held_out is 0.7; accepted is a number from 0 to 0.5" in capsys.readouterr().err


def test_a_permuted_copy_compares_as_the_same(stack, tmp_path, capsys):
    args = ["--rank", "4", "--max-iter", "5", "--sparsity", "0.4", "--quiet", "--out", str(tmp_path / "a")]
    assert main(["fit", str(stack), *args]) == 0
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    with np.load(tmp_path / "a/factors.npz") as archive:
        content = dict(archive)
    order = [2, 0, 3, 1]
    content |= {"W": 7 * content["W"][:, order], "H": content["H"][order] / 7}
    np.savez_compressed(tmp_path / "b/factors.npz", **content)
    capsys.readouterr()
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[1]["similarity"] == pytest.approx(1, abs=1e-6)


def test_a_config_repeats_a_run(stack, tmp_path, capsys):
    args = ["--rank", "4", "--max-iter", "8", "--sparsity", "0.4", "--quiet"]
    assert main(["fit", str(stack), *args, "--out", str(tmp_path / "a")]) == 0
    assert main(["fit", "--config", str(tmp_path / "a/run.json"), "--out", str(tmp_path / "b"), "--quiet"]) == 0
    assert "the same to the last bit" in capsys.readouterr().out
    moved = shutil.move(stack, tmp_path / "moved.npy")
    assert main(["fit", str(moved), "--config", str(tmp_path / "a"), "--out", str(tmp_path / "c"), "--quiet"]) == 0
    assert main(["fit", "--out", str(tmp_path / "d")]) == 2
    said = capsys.readouterr().err
    assert "fit needs a PATH and --rank (proposed with --samples pixels), or --config with a run.json" in said
    assert main(["compare", str(moved)]) == 2


def test_the_command_of_a_run_gives_the_same_factors(stack, tmp_path):
    from gsp_studio.io.export.script import command_of
    from gsp_studio.io.run_record import ExportedRun

    steps = (gs.Crop(0, 0, 5, 5), gs.Normalize("norm"))
    data = gs.load_dataset(stack, subset=(2, 40, 2), steps=steps, dtype="float64", labels="")
    params = gs.Params(3, "ahals", seed=3, max_iter=9, init="nndsvda")
    result = gs.factorize(data.X, params)
    command = shlex.split(command_of(data, ExportedRun(result=result, start=params)))
    assert command[:2] == ["gsp-studio", "fit"]
    command[-1] = str(tmp_path / "results")
    assert main([*command[1:], "--quiet"]) == 0
    with np.load(tmp_path / "results/factors.npz") as archive:
        assert np.array_equal(archive["W"], result.W)
    steered = ExportedRun(
        result=result, start=params, interventions=[(3, gs.Params(3, "psnmf", 0.5, seed=3, max_iter=9, init="nndsvda"))]
    )
    with pytest.raises(ValueError, match="which no command line holds; export it"):
        command_of(data, steered)


@pytest.fixture
def log(monkeypatch, tmp_path):
    monkeypatch.setattr(logfile, "data_folder", lambda: tmp_path / "data")
    return tmp_path / "data" / "logs" / logfile.NAME


def test_a_batch_is_logged(stack, tmp_path, log):
    (tmp_path / "broken.npy").write_bytes(b"no array")
    args = ["--rank", "3", "--max-iter", "4", "--quiet", "--out", str(tmp_path / "out")]
    assert main(["fit", str(tmp_path / "broken.npy"), str(stack), *args]) == 2
    text = log.read_text(encoding="utf-8")
    assert "INFO gsp-studio fit" in text
    assert "ERROR" in text
    assert "Traceback" in text, "for a report, though nobody saw it"
    assert "4 iterations, all iterations done" in text
    before = len(logfile.LOG.handlers)
    assert main(["info"]) == 0
    assert len(logfile.LOG.handlers) == before, "no command leaves its log open"
    assert text in log.read_text(encoding="utf-8"), "later commands go on in the same file"


def test_a_mistake_of_ours_is_one_sentence_that_names_the_log(log, monkeypatch, capsys):
    monkeypatch.setattr("gsp_studio.backends.available_backends", lambda: {}["none"])
    assert main(["info"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("gsp-studio: internal error (KeyError: 'none')")
    assert str(log) in said
    assert said.count("\n") == 1
    assert "Traceback" in log.read_text(encoding="utf-8")


def test_commands_work_where_no_log_can_be_written(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(logfile, "data_folder", lambda: tmp_path / "file")
    assert main(["info"]) == 0


@pytest.fixture
def workers_in_threads(monkeypatch):
    """Workers that `local:2` starts in this process, at once."""
    import distributed

    made = distributed.LocalCluster
    monkeypatch.setattr(distributed, "LocalCluster", lambda **how: made(**how, processes=False))
    yield
    from gsp_studio.engine.cluster import close_all

    close_all()


def test_fit_on_a_cluster_gives_what_it_gives_here(stack, tmp_path, workers_in_threads, capsys):
    common = ("fit", str(stack), "--rank", "4", "--max-iter", "5", "--quiet")
    assert main([*common, "--out", str(tmp_path / "here")]) == 0
    assert main([*common, "--out", str(tmp_path / "there"), "--scheduler", "local:2", "--coefficients", "zarr"]) == 0
    assert "(1 worker, 1 thread, inproc://" in capsys.readouterr().out, "40 images are one block"
    assert (tmp_path / "there" / "H.zarr.zip").exists()
    assert read_run(tmp_path / "there").options.storage == "disk", "the workers have read them"
    W = [np.load(tmp_path / name / "factors.npz")["W"] for name in ("here", "there")]
    np.testing.assert_allclose(W[1], W[0], rtol=1e-4, atol=1e-6)


def test_a_run_of_a_cluster_is_repeated_there_and_here(stack, tmp_path, workers_in_threads, capsys):
    fitted = ("fit", str(stack), "--rank", "4", "--max-iter", "5", "--quiet", "--scheduler", "local:2")
    assert main([*fitted, "--out", str(tmp_path / "run")]) == 0
    content = json.loads((tmp_path / "run" / "run.json").read_text())
    assert content["deterministic"].startswith("the same bits on processors of the same type")
    again = ("repeat", str(tmp_path / "run"), "--quiet")
    assert main([*again, "--out", str(tmp_path / "there"), "--scheduler", "local:2"]) == 0
    said = capsys.readouterr().out
    assert "(1 worker, " in said
    assert "to the last bit" in said
    assert main([*again, "--out", str(tmp_path / "here")]) == 0
    said = capsys.readouterr().out
    assert "(cpu" in said
    assert "to the last bit" in said


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("nope", '"nope" is not a scheduler; accepted are'),
        ("tcp://127.0.0.1:9", "no scheduler answers at tcp://127.0.0.1:9; start one with `dask scheduler`"),
    ],
)
def test_a_scheduler_that_is_not_there_is_one_sentence(address, told, stack, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("gsp_studio.engine.cluster._ANSWER", 0.5)
    assert main(["fit", str(stack), "--rank", "2", "--out", str(tmp_path / "out"), "--scheduler", address]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
