"""Exports besides the usual parts: each reads back in the programs that it is for, and is what was computed."""

import csv
import html.parser
import re
import shutil
import subprocess
from dataclasses import replace

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile
from making import pictures
from PIL import Image

import gsp_studio as gs
from gsp_studio.cli import main
from gsp_studio.core.results import History, Record
from gsp_studio.io.atomic import ExportError
from gsp_studio.io.axes import Axis
from gsp_studio.io.export.figures import FigureStyle, labelled_montage
from gsp_studio.io.export.folder_names import check_name, folder_name
from gsp_studio.io.export.formats import EXTRAS
from gsp_studio.io.export.options import ExportOptions
from gsp_studio.io.export.run_folder import export_run
from gsp_studio.io.run_record import ExportedRun

N, H, W = 30, 9, 7
ALL = tuple(name for name in EXTRAS if name not in ("svg", "pdf"))


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def frames_of(path):
    with Image.open(path) as image:
        found = []
        for k in range(image.n_frames):
            image.seek(k)
            found.append(np.asarray(image.convert("L")))
        return found


def made(tmp_path, dtype="float32", **choices):
    np.save(tmp_path / "=x.npy", pictures(N, H, W))
    data = gs.load_dataset(tmp_path / "=x.npy", dtype=dtype, **choices)
    params = gs.Params(4, sparsity=0.5, max_iter=12)
    steering = {4: [gs.Params(4, sparsity=0.6, max_iter=12)]}
    result = gs.factorize(data.X, params, steering=steering)
    return data, ExportedRun(
        result=result, start=params, interventions=[(4, steering[4][0])], reason="all iterations done"
    )


@pytest.mark.parametrize(("dtype", "exponent"), [("float32", 100), ("float64", -900), ("float64", 900)])
def test_pictures_of_extreme_data_are_those_of_ordinary_data(tmp_path, dtype, exponent):
    extras = tuple(name for name in ALL if name in ("tiff", "png16", "residuals", "labels"))
    for k in (0, exponent):
        np.save(tmp_path / "x.npy", np.ldexp(pictures(N, H, W).astype(dtype) / np.dtype(dtype).type(256), k))
        data = gs.load_dataset(tmp_path / "x.npy")
        params = gs.Params(4, sparsity=0.5, max_iter=12)
        run = ExportedRun(
            result=gs.factorize(data.X, params), start=params, interventions=[], reason="all iterations done"
        )
        export_run(tmp_path / str(k), data, run, ExportOptions(extras=extras))
    plain, found = tmp_path / "0", tmp_path / str(exponent)
    names = sorted(path.relative_to(plain) for path in plain.rglob("*.png"))
    assert len(names) > 8
    for name in names:
        assert np.array_equal(pixels(found / name), pixels(plain / name))
    pages = tifffile.imread(found / "basis.tif").astype(np.float64)
    np.testing.assert_allclose(np.ldexp(pages, -(exponent // 2)), tifffile.imread(plain / "basis.tif"), rtol=1e-6)
    assert (found / "residuals.csv").read_text() == (plain / "residuals.csv").read_text()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_factors_read_back_to_the_bit_everywhere(tmp_path, dtype):
    data, run = made(tmp_path, dtype)
    out = tmp_path / "out"
    export_run(out, data, run, ExportOptions(extras=("mat", "csv", "h5")))
    result = run.result
    mat = scipy.io.loadmat(out / "factors.mat")
    with np.load(out / "factors.npz") as npz, h5py.File(out / "factors.h5") as h5:
        for name in ("W", "H"):
            wanted = getattr(result, name)
            text = np.loadtxt(out / f"factors_{name}.csv", delimiter=",").astype(dtype)
            for found in (npz[name], mat[name], h5[name][()], text):
                assert found.dtype == wanted.dtype
                assert np.array_equal(found, wanted)
        assert [name.decode() for name in h5["names"]] == list(data.names)
    assert mat["image_shape"].tolist() == [[H, W]]


@pytest.mark.skipif(shutil.which("octave") is None, reason="octave is not installed")
def test_octave_reads_the_factors(tmp_path):
    data, run = made(tmp_path, "float64")
    export_run(tmp_path / "out", data, run, ExportOptions(extras=("mat",)))
    told = "load('out/factors.mat'); printf('%.17g %.17g %s', sum(W(:)), sum(H(:)), class(W))"
    done = subprocess.run(["octave", "--eval", told], cwd=tmp_path, capture_output=True, text=True, check=True)
    w, h, kind = done.stdout.split()
    assert float(w) == pytest.approx(run.result.W.sum(), rel=1e-12)
    assert float(h) == pytest.approx(run.result.H.sum(), rel=1e-12)
    assert kind == "double"


def test_images_keep_their_values(tmp_path):
    data, run = made(tmp_path)
    for scale in ("tile", "shared"):
        out = tmp_path / scale
        export_run(out, data, run, ExportOptions(scale=scale, extras=("png16", "tiff", "labels")))
        images = data.as_images(run.result.W)
        stack = tifffile.imread(out / "basis.tif")
        assert stack.dtype == np.float32
        assert np.array_equal(stack, images.astype(np.float32))
        with tifffile.TiffFile(out / "basis.tif") as file:
            assert file.series[0].axes == "ZYX"
        for k in range(4):
            levels = pixels(out / f"basis16/basis_{k + 1}.png").astype(float)
            top = images[k].max() if scale == "tile" else images.max()
            np.testing.assert_allclose(levels / 65535 * top, images[k], atol=top / 65535)
        assert pixels(out / "montage_labelled.png").ndim == 3


def test_small_values_are_never_black(tmp_path):
    data, run = made(tmp_path)
    run.result.W.flags.writeable = True
    run.result.W[:] *= np.float32(1e-12)
    export_run(tmp_path / "out", data, run, ExportOptions(extras=("png16", "tiff", "labels", "residuals")))
    assert pixels(tmp_path / "out/basis16/basis_1.png").max() == 65535
    assert pixels(tmp_path / "out/montage.png").max() == 255


def test_coefficients_have_the_names_of_their_images(tmp_path):
    for k in range(4):
        (tmp_path / "faces" / f"class{k % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pictures(4, H, W)[k]).save(tmp_path / "faces" / f"class{k % 2}" / f"=sum({k}).png")
    data = gs.load_dataset(tmp_path / "faces")
    result = gs.factorize(data.X, gs.Params(2, sparsity=0.3, max_iter=5))
    export_run(
        tmp_path / "out",
        data,
        ExportedRun(result=result, start=result.params),
        ExportOptions(extras=("coefficients", "residuals")),
    )
    with (tmp_path / "out/coefficients.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["image", "label", "basis_1", "basis_2"]
    assert [row[0] for row in rows] == list(data.names)
    assert [row[1] for row in rows] == list(data.labels)
    assert np.array_equal(np.array([row[2:] for row in rows], np.float32).T, result.H)
    with (tmp_path / "out/residuals.csv").open(newline="") as file:
        errors = {row[0]: float(row[1]) for row in list(csv.reader(file))[1:]}
    left = data.X - result.W @ result.H
    for j, name in enumerate(data.names):
        assert errors[name] == pytest.approx(np.linalg.norm(left[:, j]) / np.linalg.norm(data.X[:, j]), rel=1e-4)
    pixels = np.loadtxt(tmp_path / "out/residual_map.csv", delimiter=",")
    np.testing.assert_allclose(pixels, np.square(left).mean(axis=1).reshape(H, W), rtol=1e-3, atol=1e-9)


def test_names_that_a_spreadsheet_would_run_are_texts(tmp_path):
    np.save(tmp_path / "x.npy", pictures(N, H, W))
    data = gs.load_dataset(tmp_path / "x.npy")
    object.__setattr__(data, "names", ("=1+1", *data.names[1:]))
    result = gs.factorize(data.X, gs.Params(2, sparsity=0.3, max_iter=5))
    export_run(
        tmp_path / "out", data, ExportedRun(result=result, start=result.params), ExportOptions(extras=("coefficients",))
    )
    assert (tmp_path / "out/coefficients.csv").read_text().splitlines()[1].startswith("'=1+1,")


def test_animations_end_where_the_run_does(tmp_path):
    data, run = made(tmp_path)
    export_run(tmp_path / "out", data, run, ExportOptions(extras=("path", "run")))
    animated = frames_of(tmp_path / "out/run.gif")
    assert len(animated) > 5
    still = Image.fromarray(pixels(tmp_path / "out/montage.png"))
    small = np.asarray(still.resize(animated[-1].shape[::-1], Image.Resampling.BOX)).astype(float)
    assert np.corrcoef(animated[-1].ravel().astype(float), small.ravel())[0, 1] > 0.95
    lit = [int((frame > 70).sum()) for frame in frames_of(tmp_path / "out/path.gif")]
    assert lit[-1] < lit[0]


class _Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.open, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("meta", "img", "polyline"):
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_report_is_one_file_with_everything(tmp_path):
    data, run = made(tmp_path)
    object.__setattr__(data, "name", "<script>alert(1)</script>")
    export_run(tmp_path / "out", data, run, ExportOptions(extras=("report",)))
    page = _Page()
    page.feed((tmp_path / "out/report.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert page.links
    assert all(link.startswith("data:image/png;base64,") for link in page.links), "no other file, no network"
    assert "script" not in page.open
    for told in (
        "<script>alert(1)</script>",
        data.fingerprint,
        "after iteration 4",
        "import gsp_studio as gs",
        "numpy",
    ):
        assert told in page.text


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_figures_for_papers(tmp_path, kind):
    pytest.importorskip("matplotlib")
    data, run = made(tmp_path)
    for scale in ("tile", "shared"):
        export_run(tmp_path / scale, data, run, ExportOptions(scale=scale, extras=(kind,)))
        content = (tmp_path / scale / f"montage.{kind}").read_bytes()
        assert content.startswith(b"<?xml" if kind == "svg" else b"%PDF")
        if kind == "svg":
            assert content.count(b"<image ") >= 4
            assert b">1  0." in content, "text is text"
        curves = (tmp_path / scale / f"curves.{kind}").read_bytes()
        assert curves.startswith(b"<?xml" if kind == "svg" else b"%PDF")


def svg_of(tmp_path, data, run, **options):
    export_run(tmp_path / "out", data, run, ExportOptions(extras=("svg",), **options), force=True)
    return {name: (tmp_path / "out" / f"{name}.svg").read_text() for name in ("montage", "curves")}


def test_curves_for_papers_are_lines_that_join_what_follows(tmp_path):
    pytest.importorskip("matplotlib")
    data, run = made(tmp_path)
    rows = [(0.3, 0, 0), (0.28, 0, 1), (0.4, 1, 0), (0.2, 1, 3), (0.19, 0, 4), (0.18, 0, 5)]
    history = History.of(
        [Record(n, e, 0.5, 0.5, 0.1 * n, trial=trial, follows=f) for n, (e, trial, f) in enumerate(rows, 1)]
    )
    drawn = svg_of(tmp_path, data, replace(run, result=replace(run.result, history=history)))["curves"]
    assert "<image" not in drawn
    for word in ("error, %", "average sparsity", "iteration", "target"):
        assert f">{word}<" in drawn
    [error] = re.findall(r'id="line2d_\d+">\s*<path d="([^"]*)" [^>]*stroke: #1f5fbf', drawn)[:1]
    assert (error.count("M"), error.count("L")) == (2, 4), "two pieces, of two iterations and of four"


def test_spectra_for_papers_are_lines(tmp_path):
    pytest.importorskip("matplotlib")
    data, run = made(tmp_path, samples="pixels")
    drawn = svg_of(tmp_path, data, run)["montage"]
    assert "<image" not in drawn
    assert drawn.count(">Band<") == 2, "below the lowest ones"
    assert len(re.findall("stroke: #1f5fbf", drawn)) == 4
    for k, top in enumerate(run.result.W.max(axis=0)):
        assert f">{k + 1}  " in drawn
        assert f">{top:.3g}<" in drawn


def calibrated(data, *axes):
    return replace(data, axes=axes)


def test_montages_have_a_scale_bar_where_the_size_of_a_pixel_is_known(tmp_path):
    data, run = made(tmp_path)
    known = calibrated(data, Axis("x", unit="µm", scale=2.0), Axis("y", unit="µm", scale=2.0))
    style = FigureStyle(zoom=10)
    plain, drawn = (np.asarray(labelled_montage(one, run, style)) for one in (data, known))
    line = (drawn != plain).any(axis=2) & (drawn == 0).all(axis=2)
    rows, columns = np.nonzero(line)
    assert len(set(rows)) >= 3
    assert columns.max() + 1 - columns.min() >= 10, "2 µm are a pixel, which is drawn as ten"
    pytest.importorskip("matplotlib")
    assert ">2 µm<" in svg_of(tmp_path, known, run)["montage"]
    assert "µm" not in svg_of(tmp_path, data, run)["montage"]


def test_spectra_have_the_unit_of_their_axis(tmp_path):
    pytest.importorskip("matplotlib")
    data, run = made(tmp_path, samples="pixels")
    waves = tuple(400.0 + 10.0 * k for k in range(N))
    drawn = svg_of(tmp_path, calibrated(data, Axis("band", "Wavelength", "nm", values=waves)), run)["montage"]
    assert ">Wavelength (nm)<" in drawn
    assert re.search(r">[456]\d0<", drawn), "numbers in nanometres"


def test_montages_with_words_have_the_order_and_the_colours_that_are_asked_for(tmp_path):
    data, run = made(tmp_path)
    ramp = np.arange(256, dtype=np.uint8)
    palette = np.stack([ramp, 255 - ramp, np.full(256, 7, np.uint8)], axis=1)
    plain = FigureStyle(zoom=1)
    style = replace(plain, order=(2, 0, 3, 1), palette=palette.tobytes())
    before, after = (np.asarray(labelled_montage(data, run, one)) for one in (plain, style))
    assert before.shape == after.shape
    pitch = W + 8  # of tiles of 1 : 1
    for place, basis in enumerate(style.order):
        old, new = (
            (slice(8 + k // 2 * (H + 28), 8 + k // 2 * (H + 28) + H), slice(8 + k % 2 * pitch, 8 + k % 2 * pitch + W))
            for k in (basis, place)
        )
        assert (after[new] == palette[before[old][..., 0]]).all()
    assert (after[-36, 8:-8] == palette[before[-36, 8:-8, 0]]).all(), "the bar, too"
    words = before[8 + H : 8 + H + 20]
    assert 80 <= words.min() <= 100, "grey words, not black ones"
    pytest.importorskip("matplotlib")
    drawn = svg_of(tmp_path, data, run, order=style.order, palette=style.palette)["montage"]
    numbers = [int(found) for found in re.findall(r">(\d)  \d\.\d\d<", drawn)]
    assert numbers == [3, 1, 4, 2]


def test_everything_of_everything(tmp_path):
    np.save(tmp_path / "c.npy", np.stack([pictures(N, H, W, seed) for seed in range(3)], axis=-1))
    for k, choices in enumerate(({}, {"samples": "pixels", "colour": "grey"}, {"storage": "disk", "colour": "grey"})):
        data = gs.load_dataset(tmp_path / "c.npy", **choices)
        result = gs.factorize(data.X, gs.Params(3, sparsity=0.4, max_iter=6))
        run = ExportedRun(result=result, start=result.params)
        wanted = tuple(name for name in ALL if name != "pictures" and (name != "png16" or data.channels == 1))
        paths = export_run(tmp_path / f"out{k}", data, run, ExportOptions(extras=wanted))
        assert all(path.stat().st_size > 0 for path in paths)
        if data.channels == 3:
            with pytest.raises(ExportError, match="16-bit PNG is for grey images"):
                export_run(tmp_path / f"out{k}", data, run, ExportOptions(extras=("png16",)))
        # The next export takes away what it does not make.
        export_run(tmp_path / f"out{k}", data, run)
        left = {path.name for path in (tmp_path / f"out{k}").rglob("*") if path.is_file()}
        assert not left & {"report.html", "factors.mat", "run.gif", "residuals.csv"}


def test_what_is_unknown_is_refused(tmp_path):
    data, run = made(tmp_path)
    with pytest.raises(ExportError, match='"docx" is no export; accepted are mat, csv, h5'):
        export_run(tmp_path / "out", data, run, ExportOptions(extras=("docx",)))
    assert not (tmp_path / "out").exists()


def test_names_from_templates(tmp_path):
    data, run = made(tmp_path)
    assert folder_name("{data}/{method}-r{rank}-s{sparsity}-{seed}", data, run) == "-x/gsphals-r4-s0.5-0"
    for template in ("{date}", "{", "{0}", "{rank.x}"):
        with pytest.raises(ExportError, match=r"accepted places are \{data\}, \{method\}"):
            check_name(template)


def test_from_the_command_line(tmp_path, capsys):
    np.save(tmp_path / "x.npy", pictures(N, H, W))
    args = ["fit", str(tmp_path / "x.npy"), "--rank", "3", "--max-iter", "5", "--sparsity", "0.4", "--quiet"]
    assert main([*args, "--out", str(tmp_path / "{data}-r{rank}"), "--also", "mat,report"]) == 0
    assert (tmp_path / "x-r3/report.html").exists()
    assert (tmp_path / "x-r3/factors.mat").exists()
    assert main([*args, "--out", str(tmp_path / "zoomed"), "--zoom", "3", "--white", "shared"]) == 0
    assert pixels(tmp_path / "zoomed/basis/basis_1.png").shape == (3 * H, 3 * W)
    assert main([*args, "--out", str(tmp_path / "{nothing}")]) == 2
    assert "accepted places are" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*args, "--out", str(tmp_path / "o"), "--also", "docx"])
    assert '"docx" is no export' in capsys.readouterr().err


def test_figures_have_the_scale_that_was_asked_for(tmp_path):
    data, run = made(tmp_path)
    sizes = {}
    for zoom in (2, 5):
        out = tmp_path / f"zoom{zoom}"
        export_run(out, data, run, ExportOptions(extras=("labels", "residuals"), zoom=zoom))
        assert pixels(next(iter(sorted((out / "basis").iterdir())))).shape[:2] == (zoom * H, zoom * W)
        assert pixels(out / "residual_map.png").shape[:2] == (zoom * H, zoom * W)
        sizes[zoom] = pixels(out / "montage_labelled.png").shape
    assert sizes[5][0] > sizes[2][0]
    for zoom in (0, -1, 10**6):
        with pytest.raises(ExportError, match="accepted for 4 basis images of this size are 1 to"):
            export_run(tmp_path / "none", data, run, ExportOptions(zoom=zoom))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("scale", ["tile", "shared"])
def test_a_labelled_montage_has_a_bar_that_ends_white(tmp_path, scale):
    data, run = made(tmp_path)
    image = np.asarray(labelled_montage(data, run, FigureStyle(scale)).convert("L"))
    bar = image[-36, 8:-8].astype(int)  # a line within it
    assert bar[0] == 0
    assert bar[-1] == 255
    assert (np.diff(bar) >= 0).all()


def test_a_report_tells_what_was_remarked(tmp_path):
    data, run = made(tmp_path)
    remarks = {"name": "mine & yours", "tags": ["a", "b"], "accepted": [0, 2]}
    export_run(tmp_path / "out", data, replace(run, remarks=remarks), ExportOptions(extras=("report",)))
    text = (tmp_path / "out" / "report.html").read_text()
    assert "mine &amp; yours" in text
    assert "<th>Accepted</th><td>1, 3</td>" in text
    assert "Rejected" not in text


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t=", "\r=", "\n=", " =", "\u200b=", "\uff1d", "\uff0b", "\t", "\r"]
)
def test_no_spreadsheet_takes_a_name_for_a_formula(tmp_path, start):
    data, run = made(tmp_path)
    name = f"{start}cmd|' /C calc'!A0"
    named_so = replace(data, names=(name,) * N, labels=(name,) * N)
    export_run(tmp_path / "out", named_so, run, ExportOptions(extras=("coefficients", "residuals")))
    for table in ("coefficients.csv", "residuals.csv"):
        with (tmp_path / "out" / table).open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        assert {row[0] for row in rows} == {f"'{name}"}
    with (tmp_path / "out" / "coefficients.csv").open(newline="", encoding="utf-8") as file:
        assert {row[1] for row in csv.reader(file)} == {"label", f"'{name}"}
