"""The site is made of the pages and of the code, and loads nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import glance3d
from glance3d.cli import COMMANDS
from tests.conftest import PATIENCE
from tests.docs.pages import ROOT
from tests.loaded_files import load_file

# What a browser loads of itself, as against links that somebody follows.
_LOADED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//[^\">\s]*")


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    return load_file(ROOT / "scripts" / "docs_hooks.py")


def test_the_reference_has_every_command_option_and_name(hooks: ModuleType) -> None:
    page = hooks.command_line_page()
    for command in COMMANDS:
        assert f"\n## glance3d {command}\n" in page
    assert "| `--host ADDRESS` | The address to listen on;" in page
    assert "| `--with-token` | Ask for the token" in page
    assert "| `DIR` | Where jobs are kept;" in page
    names = set(re.findall(r"^::: glance3d\.(\w+)$", hooks.python_page(), re.MULTILINE))
    assert names == set(glance3d.__all__) - {"__version__"}


def test_a_page_of_an_example_is_the_example_as_it_is(hooks: ModuleType) -> None:
    example = ROOT / "examples" / "01_reconstruct.py"
    page = hooks.example_page(example)
    assert page.startswith("# From photos to a scene to a file, in three lines\n")
    code = page.partition("```python")[2].partition("\n")[2].rpartition("\n```")[0]
    assert example.read_text().rstrip().endswith(code)


@pytest.mark.parametrize(
    ("address", "link", "shown"),
    [
        ("models.md", "[a](results.md#b)", "[a](results.md#b)"),
        ("models.md", "[a](../CONVENTIONS.md#b)", "[a](project/CONVENTIONS.md#b)"),
        ("models.md", "[a](../LICENSE)", "a"),
        ("models.md", "[a](../examples/02_by_parts.py)", "[a](examples/02_by_parts.md)"),
        ("tutorials/clip.md", "[a](../models.md)", "[a](../models.md)"),
        ("models.md", "[a](nowhere.md)", "[a](nowhere.md)"),
        ("models.md", "[a](https://example.org/b.md)", "[a](https://example.org/b.md)"),
        ("project/CONVENTIONS.md", "[a](docs/results.md)", "[a](../results.md)"),
        ("project/CONVENTIONS.md", "[a](#b)", "[a](#b)"),
    ],
)
def test_links_between_files_become_links_of_the_site(
    hooks: ModuleType, address: str, link: str, shown: str
) -> None:
    known = {"models.md", "results.md", "project/CONVENTIONS.md", "examples/02_by_parts.md"}
    assert hooks.with_links_of_site(link, address, known) == shown


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, which is built without a warning."""
    pytest.importorskip("material", reason="needs the extra docs")
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.long
def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert site / "reference" / "api.html" in pages
    loaded = {page.name: _LOADED.findall(page.read_text(encoding="utf-8")) for page in pages}
    assert {name: found for name, found in loaded.items() if found} == {}


@pytest.mark.long
def test_a_site_that_is_opened_from_its_folder_can_be_searched(site: Path, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((site / "tutorials" / "clip.html").as_uri())
    page.locator("input.md-search__input").press_sequentially("turntable")
    found = page.locator(".md-search-result__link").first
    found.wait_for(timeout=PATIENCE * 1000)
    address = found.get_attribute("href")
    page.close()
    assert address.startswith(site.as_uri())
    assert "turntable" in address
