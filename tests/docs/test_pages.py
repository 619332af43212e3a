"""Links of the pages lead somewhere, and the commands they show are understood."""

from pathlib import Path

import pytest

from glance3d import cli
from tests.docs.pages import PAGES, ROOT, anchors_of, broken_links, commands_of, links_of

COMMANDS = [
    pytest.param(words, id=f"{page.name}: {' '.join(words)}")
    for page in PAGES
    for words in commands_of(page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_every_page_of_docs_is_linked_from_the_readme() -> None:
    linked = {target.partition("#")[0] for target in links_of((ROOT / "README.md").read_text())}
    pages = {page.relative_to(ROOT).as_posix() for page in PAGES if page.parent != ROOT}
    assert pages - {"docs/index.md"} <= linked


@pytest.mark.parametrize("words", COMMANDS)
def test_the_commands_shown_are_understood(words: list[str]) -> None:
    command, rest = cli.split_command(words)
    if command in ("--version", "--help"):
        return
    assert command in cli.COMMANDS
    if "--help" not in rest:
        cli.parse_options(command, rest)


def test_an_option_that_is_none_is_not_understood() -> None:
    with pytest.raises(SystemExit):
        cli.parse_options("reconstruct", ["photos/", "--out", "scene/", "--refined"])


def test_a_link_or_anchor_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `page` of it\n[here](#a-page-of-it) [no](#a-page) [none](other.md) [out](https://a.b)\n"
        "```bash\n# no heading\n[neither](x)\n```\n"
    )
    assert broken_links(page) == ["#a-page", "other.md"]


def test_headings_that_are_alike_have_anchors_of_their_own() -> None:
    assert anchors_of("# One\n## Two, `so`!\n## Two so\n") == {"one", "two-so", "two-so-1"}


def test_commands_are_read_to_their_end() -> None:
    text = (
        "```bash\nHF_HUB_OFFLINE=1 glance3d view a/ \\\n  --no-open  # so\n```\n`glance3d view b`"
    )
    assert list(commands_of(text)) == [["view", "a/", "--no-open"]]
