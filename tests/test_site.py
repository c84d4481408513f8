"""The site of docs/: it is built without a warning, its links lead somewhere, and it has every public name."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import gsp_studio as gs
from gsp_studio import pruning

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(
            importlib.util.find_spec(name) is None
            for name in ("sphinx", "numpydoc", "myst_parser", "furo", "matplotlib")
        ),
        reason='needs pip install "gsp-studio[docs]"',
    ),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as `script/docs` builds them; warnings and dead links are errors."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going"]
    # Proxies that are not there: what asks for a network fails.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = subprocess.run(
        [*command, str(DOCS), str(folder)],
        cwd=ROOT,
        env={**os.environ, **nowhere, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def conf() -> ModuleType:
    """docs/conf.py as a module."""
    spec = importlib.util.spec_from_file_location("conf", DOCS / "conf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (site / "reference").glob("*.html"))
    described = set(re.findall(r'id="(gsp_studio\.[\w.]+)"', text))
    wanted = {f"gsp_studio.{name}" for name in gs.__all__} | {f"gsp_studio.pruning.{name}" for name in pruning.__all__}
    assert not wanted - described, "a page of docs/reference lacks these public names"


def test_every_script_of_the_gallery_has_its_picture(site: Path) -> None:
    scripts = sorted(path.stem for path in (DOCS / "gallery").glob("*.py"))
    assert len(scripts) > 5
    page = (site / "gallery.html").read_text(encoding="utf-8")
    drawn = [(site / "_images" / f"{name}.png").stat().st_size > 5000 for name in scripts if f"{name}.png" in page]
    assert drawn == [True] * len(scripts)


def test_the_start_page_shows_the_film(site: Path) -> None:
    assert 'src="_images/drag.gif"' in (site / "index.html").read_text(encoding="utf-8")


def test_nothing_is_written_among_the_pages(site: Path) -> None:
    assert not [path for path in DOCS.rglob("*") if path.suffix in (".rst", ".pickle", ".html")]


def test_dead_links_and_what_is_loaded_from_elsewhere_are_found(conf: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a b.html").write_text('<h1 id="top">A</h1><a href="#top">t</a><a href="#gone">g</a>', "utf-8")
    (tmp_path / "index.html").write_text(
        '<a href="a%20b.html#top">ok</a><a href="a%20b.html#no">n</a><a href="c.html">c</a><img src="d.png">'
        '<a href="https://example.org/x">out</a><script src="https://example.org/x.js"></script>',
        "utf-8",
    )
    assert conf.find_dead_links(tmp_path) == [
        "a b.html links to #gone",
        "index.html loads https://example.org/x.js",
        "index.html links to a%20b.html#no",
        "index.html links to c.html",
        "index.html links to d.png",
    ]
