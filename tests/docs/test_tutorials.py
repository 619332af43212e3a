"""The pictures of the tutorials are small, and their figures what the script draws."""

from scripts import draw_tutorial_figures, draw_tutorial_pictures, draw_tutorial_scene

from tests.docs.pages import ROOT, links_of

PICTURES = ROOT / "docs" / "pictures"
MOST_BYTES = 60_000


def test_the_figures_are_what_the_script_draws() -> None:
    drawn = dict(draw_tutorial_figures.figures())
    again = "python -m scripts.draw_tutorial_figures docs/pictures"
    kept = {path.name: path.read_text() for path in PICTURES.glob("tutorial_*.svg")}
    assert kept == drawn, again


def test_the_pictures_are_small_and_each_is_shown() -> None:
    kept = {path.name for path in PICTURES.glob("tutorial_*")}
    assert all((PICTURES / name).stat().st_size < MOST_BYTES for name in kept)
    pages = (ROOT / "docs" / "tutorials").glob("*.md")
    shown = {
        target.rpartition("/")[2]
        for page in pages
        for target in links_of(page.read_text(encoding="utf-8"))
        if "/pictures/" in target
    }
    assert shown == kept
    names = [*draw_tutorial_pictures.PICTURES, *draw_tutorial_scene.SCENES]
    drawn = {f"tutorial_{name}.webp" for name in names}
    assert {name for name in kept if name.endswith(".webp")} == drawn
