"""The Markdown pages of the repository, read as far as links and commands go."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMES = ("README.md", "ARCHITECTURE.md", "CONVENTIONS.md", "CONTRIBUTING.md", "CHANGELOG.md")
PAGES = [*(ROOT / name for name in NAMES), *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(
    r"^(```+)(?P<language>\w*)[^\n]*\n(?P<code>.*?)^\1\s*$", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)[^)]*\)")
SHELL = ("bash", "sh", "shell")


def prose_of(text: str) -> str:
    """A page without its blocks and pieces of code."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))


def links_of(text: str) -> Iterator[str]:
    """Where the links and pictures of a page lead within the repository."""
    for match in _LINK.finditer(prose_of(text)):
        if not re.match(r"[a-z]+:", match["target"]):
            yield match["target"]


def anchors_of(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    seen: Counter[str] = Counter()
    anchors = set()
    for heading in re.findall(r"^#+ +(.+?)\s*$", _FENCE.sub("", text), re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return anchors


def broken_links(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    broken = []
    for target in links_of(page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        where = (page.parent / path).resolve() if path else page
        if not where.exists() or (
            anchor and anchor not in anchors_of(where.read_text(encoding="utf-8"))
        ):
            broken.append(target)
    return broken


def fences_of(text: str) -> Iterator[tuple[str, str]]:
    """The language and the code of every block."""
    for fence in _FENCE.finditer(text):
        yield fence["language"], fence["code"]


def commands_of(text: str) -> Iterator[list[str]]:
    """The words of every ``glance3d`` command in the blocks of shell of a page."""
    for language, code in fences_of(text):
        if language not in SHELL:
            continue
        for line in code.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if "glance3d" in words and words[:2] != ["docker", "build"]:
                rest = words[words.index("glance3d") + 1 :]
                ends = [
                    n for n, word in enumerate(rest) if word in ("&&", "||", "|", ";", "&", ">")
                ]
                yield rest[: ends[0]] if ends else rest
