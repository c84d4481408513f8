"""Configuration of Sphinx: ``script/docs`` builds the site from the pages in this folder, and fetches nothing."""

from __future__ import annotations

import tomllib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.errors import SphinxError

ROOT = Path(__file__).resolve().parents[1]
META = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "GSP Studio"
author = META["authors"][0]["name"]
project_copyright = author
version = release = META["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "matplotlib.sphinxext.plot_directive"]
exclude_patterns: list[str] = []
# Docstrings write names between single backquotes: those that the reference has become links, others stay code.
default_role = "py:obj"

myst_heading_anchors = 4

autodoc_typehints = "none"  # docstrings have them, with shapes and units
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

plot_formats = [("png", 96)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = True
plot_rcparams = {"figure.constrained_layout.use": True, "font.size": 10, "savefig.facecolor": "white"}
plot_apply_rcparams = True

html_theme = "furo"
html_title = f"{project} {version}"
html_logo = "../resources/icons/app.svg"
html_favicon = html_logo
html_static_path: list[str] = []
html_show_sourcelink = False
html_copy_source = False


class Links(HTMLParser):
    """Links, names and loaded files of a page.

    Attributes
    ----------
    targets : list of str
        As the page has them.
    names : set of str
        Anchors.
    loaded : list of str
        Addresses of scripts, styles and images.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.names: set[str] = set()
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.names |= {value for value in (found.get("id"), found.get("name")) if value}
        target = found.get("href") if tag in ("a", "link") else found.get("src")
        if target:
            self.targets.append(target)
            if tag != "a" and not (tag == "link" and found.get("rel") == "canonical"):
                self.loaded.append(target)


def find_dead_links(folder: Path) -> list[str]:
    """Describe each link of a built site that leads nowhere, and each file that a page loads from elsewhere.

    Parameters
    ----------
    folder : Path
        Of the HTML files.

    Returns
    -------
    list of str
        A sentence each, in the order of the pages.
    """
    pages = {path.resolve(): Links(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    dead = []
    for path, page in pages.items():
        name = path.relative_to(folder.resolve())
        dead += [f"{name} loads {target}" for target in page.loaded if urlsplit(target).netloc]
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            is_known = there not in pages or not parts.fragment or unquote(parts.fragment) in pages[there].names
            if not there.exists() or not is_known:
                dead.append(f"{name} links to {target}")
    return dead


def check_links(app: Sphinx, error: Exception | None) -> None:
    """End the build with an error where a page has a dead link."""
    dead = [] if error or app.builder.name != "html" else find_dead_links(Path(app.outdir))
    if dead:
        raise SphinxError("dead links:\n" + "\n".join(dead))


def setup(app: Sphinx) -> None:
    """Check links once the pages are written."""
    app.connect("build-finished", check_links)
