"""The figures and sizes of docs/concepts.md are those of the network's config."""

from types import ModuleType
from xml.etree import ElementTree

import pytest

from glance3d.models.config import vggt_1b
from tests.docs.pages import ROOT
from tests.loaded_files import load_file

PICTURES = ROOT / "docs" / "pictures"
PAGE = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_file(ROOT / "scripts" / "draw_concepts.py")


def test_the_figures_are_what_the_script_draws(script: ModuleType) -> None:
    drawn = dict(script.figures())
    again = "python scripts/draw_concepts.py docs/pictures"
    kept = {path.name: path.read_text() for path in PICTURES.glob("concepts_*.svg")}
    assert kept == drawn, again
    for name, svg in drawn.items():
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert f"](pictures/{name})" in PAGE


def test_the_sizes_in_the_text_are_the_config_s(script: ModuleType) -> None:
    config = vggt_1b()
    columns, rows = script.grid_of(config)
    tokens = 1 + config.aggregator.num_register_tokens + columns * rows
    assert f"{columns} x {rows} = {columns * rows} patch tokens" in PAGE
    assert f"[1, 4, {tokens}, {config.embed_dim}]" in PAGE
    assert f"[1, 4, {tokens}, {2 * config.embed_dim}]" in PAGE
    assert f"[1, 4, 3, {script.HEIGHT_PX}, {script.WIDTH_PX}]" in PAGE
