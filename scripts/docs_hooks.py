"""What mkdocs needs beside ``docs/``: pages made from the code, and links that leave the folder.

mkdocs calls the functions that begin with ``on_`` (``hooks`` in ``mkdocs.yml``). The reference of
the command line is made from its parsers, that of Python from ``glance3d.__all__``, pages of
examples from ``examples/``; pages of the repository that ``docs/`` refers to are taken along.
Whatever else a page links to in the repository is text in the site, which has no address for it.
"""

import ast
import importlib
import posixpath
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))  # the package of this checkout, whichever is installed

_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s:]*)(?P<anchor>#[^)\s]*)?\)")
_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod|obj):(?=<code)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made."""
    from mkdocs.structure.files import File

    for address, text in made_pages().items():
        files.append(File.generated(config, address, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links as they are in the repository, to where the pages are in the site."""
    return with_links_of_site(markdown, page.file.src_uri, set(files.src_uris))


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Names in docstrings as code, without the role that stands before them."""
    return _ROLE.sub("", html)


def made_pages() -> dict[str, str]:
    """Addresses below ``docs/`` and the Markdown of all pages that are made."""
    pages = {"reference/cli.md": command_line_page(), "reference/api.md": python_page()}
    for path in sorted((ROOT / "examples").glob("[0-9]*.py")):
        pages[f"examples/{path.stem}.md"] = example_page(path)
    names = ["ARCHITECTURE.md", "CONVENTIONS.md", "CONTRIBUTING.md", "CHANGELOG.md"]
    results = (ROOT / "benchmarks" / "results").glob("*.md")
    for path in [*(ROOT / name for name in names), *sorted(results)]:
        address = path.relative_to(ROOT).as_posix()
        pages[f"project/{address}"] = path.read_text(encoding="utf-8")
    return pages


def with_links_of_site(markdown: str, address: str, known: set[str]) -> str:
    """The page at ``address`` with links between files of the repository made links of the site."""
    in_project = address.startswith("project/")
    here = posixpath.dirname(address.removeprefix("project/") if in_project else f"docs/{address}")

    def link(match: re.Match[str]) -> str:
        if not match["target"]:
            return match[0]
        path = posixpath.normpath(posixpath.join(here, match["target"]))
        is_page = path.startswith("docs/")
        where = path.removeprefix("docs/") if is_page else f"project/{path}"
        if path.startswith("examples/") and path.endswith(".py"):
            where = f"{path.removesuffix('.py')}.md"
        if where not in known:
            # Outside of docs/ there is much that the site does not have; inside, mkdocs complains.
            return match[0] if is_page else match["text"]
        relative = posixpath.relpath(where, posixpath.dirname(address) or ".")
        return f"[{match['text']}]({relative}{match['anchor'] or ''})"

    return _LINK.sub(link, markdown)


def example_page(path: Path) -> str:
    """An example's docstring, then the example."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    title, _, rest = (ast.get_docstring(tree) or path.stem).partition("\n")
    code = "\n".join(source.splitlines()[tree.body[0].end_lineno :]).strip()
    rest = rest.replace("``", "`").strip()
    return f"# {title.rstrip('.')}\n\n{rest}\n\n```python title='{path.name}'\n{code}\n```\n"


def python_page() -> str:
    """Every public name, for mkdocstrings to fill in."""
    import glance3d

    names = [name for name in glance3d.__all__ if not name.startswith("_")]
    functions = [name for name in names if name[0].islower()]
    classes = [name for name in names if name[0].isupper()]
    lines = [
        "# Python",
        "",
        "Everything here is `glance3d.NAME`; shapes are in the signatures.",
        "",
    ]
    for name in [*functions, *classes]:
        lines += [f"::: glance3d.{name}", ""]
    return "\n".join(lines)


def command_line_page() -> str:
    """Every command with its options, as its parser knows them."""
    from glance3d.cli import COMMANDS, EVERYWHERE

    lines = ["# Command line", "", EVERYWHERE, "", "| command | what it does |", "| --- | --- |"]
    for command, summary in COMMANDS.items():
        lines.append(f"| [`{command}`](#glance3d-{command.replace(' ', '-')}) | {_cell(summary)} |")
    for command in COMMANDS:
        lines += ["", *_command(command)]
    return "\n".join(lines) + "\n"


def _command(command: str) -> Iterator[str]:
    import tyro

    options = importlib.import_module(f"glance3d.cli.{command.replace(' ', '.')}").Options
    markers = (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes)
    with warnings.catch_warnings():
        # "Will be removed": constraints.txt says with which version it is there.
        warnings.simplefilter("ignore", DeprecationWarning)
        parser = tyro.extras.get_parser(options, prog=f"glance3d {command}", config=markers)
    yield f"## glance3d {command}"
    yield ""
    yield from _description(options)
    for group in parser._action_groups:
        rows = list(map(_row, (each for each in group._group_actions if each.dest != "help")))
        if not rows:
            continue
        yield from ("", f"**{(group.title or '').removesuffix(' options')}**", "")
        if group.description:
            yield from (_prose(group.description), "")
        yield from ("| | |", "| --- | --- |", *rows)


def _description(options: type) -> Iterator[str]:
    """The docstring; what is indented in it is a block."""
    import inspect

    for paragraph in inspect.cleandoc(options.__doc__ or "").split("\n\n"):
        head, *rest = paragraph.split("\n")
        if rest and all(line.startswith("  ") for line in rest):
            yield from (_prose(head), "", "```", *(line[2:] for line in rest), "```", "")
        elif "\n  " in f"\n{paragraph}":
            yield from ("```", paragraph, "```", "")
        else:
            yield from (_prose(" ".join([head, *rest])), "")


def _row(action: Any) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    name = " ".join([", ".join(action.option_strings), metavar]).strip()
    return f"| `{name.replace('|', chr(92) + '|')}` | {_cell(str(action.help or ''))} |"


def _cell(text: str) -> str:
    return _prose(" ".join(text.split())).replace("|", "\\|")


def _prose(text: str) -> str:
    """Text of a terminal that Markdown leaves as it is."""
    return re.sub(r"([*_<\[])", r"\\\1", text).replace("``", "`")
