"""The site of docs/: it builds without a warning, asks nobody else for anything, has every page, and its pictures are current."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest

from tests.tidy.tree import ROOT, tracked

DOCS = ROOT / "docs"
IMAGES = DOCS / "images"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_site_has_every_page(site: Path) -> None:
    pages = {
        path.relative_to(DOCS).with_suffix(".html")
        for path in tracked()
        if DOCS in path.parents and path.suffix == ".md"
    }
    assert pages
    assert [str(page) for page in sorted(pages) if not (site / page).is_file()] == []


def test_the_site_asks_nobody_else_for_anything(site: Path) -> None:
    """Scripts, styles, pictures and fonts are its own; links may lead anywhere."""
    loads = re.compile(
        r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?((?:https?:)?//[^"'\s>]+)|<link\b[^>]*\bhref=["']?((?:https?:)?//[^"'\s>]+)"""
    )
    found = {str(page.relative_to(site)): loads.findall(page.read_text()) for page in site.rglob("*.html")}
    assert {page: hits for page, hits in found.items() if hits} == {}
    styles = [
        path
        for path in site.rglob("*.css")
        if re.search(r"""(?:@import|url\()\s*["']?(?:https?:)?//""", path.read_text())
    ]
    assert styles == []


def test_every_page_stands_in_the_navigation_once() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    named = Counter(re.findall(r"^ +- (\S+\.md)$", navigation, re.MULTILINE))
    pages = {str(path.relative_to(DOCS)) for path in tracked() if DOCS in path.parents and path.suffix == ".md"}
    assert named == Counter(pages)


def test_the_reference_is_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / "reference.md").read_text() == module.page(), "run docs/reference.py"
    assert "`scheduler throttle JOB`" in module.page()


def drawn() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("draw", IMAGES / "draw.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["draw"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return {name: draw() for name, draw in module.PICTURES.items()}


def test_the_pictures_are_current_and_all_are_shown() -> None:
    pictures = drawn()
    assert {path.name: path.read_text() for path in IMAGES.glob("*.svg")} == pictures, "run docs/images/draw.py"
    shown = {
        Path(name).name
        for path in tracked()
        if path.suffix == ".md"
        for name in re.findall(r"!\[[^]]+\]\(([^)]+\.svg)\)", path.read_text())
    }
    assert shown == set(pictures)


def test_no_text_leaves_its_picture() -> None:
    for name, text in drawn().items():
        root = ET.fromstring(text)
        width, height = (float(root.attrib[side]) for side in ("width", "height"))
        for element in root.iter("{http://www.w3.org/2000/svg}text"):
            half = len(element.text or "") * 7.2 * {"middle": 0.5, "start": 1, "end": 1}[element.attrib["text-anchor"]]
            x, y = float(element.attrib["x"]), float(element.attrib["y"])
            left = x - half if element.attrib["text-anchor"] != "start" else x
            right = x + half if element.attrib["text-anchor"] != "end" else x
            assert left >= 0 and right <= width and 0 <= y <= height, (name, element.text)
