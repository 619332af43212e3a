"""The rooms of the code and which of them each knows of, read from the imports.

``python -m tests.rooms`` prints the column of ARCHITECTURE.md, ``--write`` puts it there.
"""

import ast
import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "glance3d"
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
_ROW = re.compile(r"^\| `(?P<room>[\w/.]+)` \| (?P<what>.*) \| (?P<knows>[^|]*) \|$", re.MULTILINE)

Graph = dict[str, set[str]]


@functools.cache
def modules() -> dict[str, Path]:
    """Every module by its dotted name below the package; the package itself is ``""``."""
    named = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


@functools.cache
def imports() -> Graph:
    """Which modules each module imports: anywhere in it, also only for its types."""
    known = modules()
    return {name: set(_imported(path, known)) - {name} for name, path in known.items()}


def _imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("glance3d"):
            continue
        base = (node.module or "").removeprefix("glance3d").lstrip(".")
        for alias in node.names:
            module = f"{base}.{alias.name}".strip(".")
            yield module if module in known else base


def is_package(module: str) -> bool:
    """Whether a module is the front of a folder."""
    return modules()[module].name == "__init__.py"


def room_of(module: str) -> str:
    """The folder of the first level, or the module itself where it lies in none."""
    return module.split(".")[0]


def rooms() -> Graph:
    """Which rooms each room imports. The package's own front door imports all, and is no room."""
    graph: Graph = {}
    for module, imported in imports().items():
        if module in ("", "__main__", "_version"):
            continue
        others = {room_of(other) for other in imported if other} - {room_of(module), "_version"}
        graph.setdefault(room_of(module), set()).update(others)
    return graph


def reachable(graph: Graph, start: str) -> set[str]:
    """All that can be reached from ``start`` by one step or more."""
    seen: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting.extend(graph.get(node, ()))
    return seen


def circles(graph: Graph) -> list[str]:
    """Those that can be reached from themselves."""
    return sorted(node for node in graph if node in reachable(graph, node))


def knows_of(graph: Graph, room: str) -> list[str]:
    """What a room imports, without what one of these rooms knows of already."""
    direct = graph[room]
    implied = set().union(*(reachable(graph, other) for other in direct)) if direct else set()
    return sorted(direct - implied)


def with_column(text: str) -> str:
    """ARCHITECTURE.md with its column "knows of" as the imports are."""
    graph = rooms()

    def row(match: re.Match[str]) -> str:
        room = match["room"].rstrip("/").removesuffix(".py")
        if room not in graph:
            return match[0]
        knows = ", ".join(knows_of(graph, room)) or "nothing"
        return f"| `{match['room']}` | {match['what']} | {knows} |"

    return _ROW.sub(row, text)


def listed_rooms(text: str) -> set[str]:
    """The rooms that have a row."""
    return {match["room"].rstrip("/").removesuffix(".py") for match in _ROW.finditer(text)}


def main() -> None:
    """Print the table's rows, or write them."""
    text = with_column(ARCHITECTURE.read_text())
    if sys.argv[1:] == ["--write"]:
        ARCHITECTURE.write_text(text)
    else:
        print(*(match[0] for match in _ROW.finditer(text)), sep="\n")


if __name__ == "__main__":
    main()
