"""The page from its template, styles and scripts, with a policy that allows no other script."""

import base64
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from glance3d.exporters.page.markup import Markup, join

_ASSETS = files("glance3d.exporters.page") / "assets"
# In the order in which one builds on the other. They are modules for whoever reads or edits them;
# a page on the disk may not import any, so that they become one script.
_MODULES = (
    "elements",
    "theme",
    "clouds",
    "frusta",
    "viewpoint",
    "picture",
    "photos",
    "panel",
    "keyboard",
    "main",
)
_IMPORT = re.compile(r"^import\b[^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const)\b)", re.MULTILINE)
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def fill_template(parts: dict[str, Markup]) -> str:
    """The whole page; ``parts`` go where the template names them."""
    library, program = _asset("three.min.js"), _program()
    parts = {
        **parts,
        "policy": Markup(_policy(library, program)),
        "style": Markup(_asset("page.css")),
        "library": Markup(library),
        "program": Markup(program),
    }
    # One pass: what is filled in is never searched for places again.
    return _PLACE.sub(lambda place: parts[place[1]], _asset("page.html"))


def json_script(identity: str, content: Any) -> Markup:
    """Data for the program, in a script element that no text inside it can end."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    text = text.replace("<", "\\u003c").replace(">", "\\u003e")
    return Markup(f'<script type="application/json" id="{identity}">{text}</script>')


def binary_scripts(kind: str, chunks: tuple[bytes, ...]) -> Markup:
    """Bytes for the program, base64, one element a chunk."""
    return join(
        Markup(
            f'<script type="text/plain" class="{kind}">'
            f"{base64.b64encode(chunk).decode()}</script>\n"
        )
        for chunk in chunks
    )


def fixed_size() -> int:
    """Bytes of a page before any scene is in it."""
    return len(_asset("three.min.js")) + len(_program()) + len(_asset("page.css"))


@cache
def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


@cache
def _program() -> str:
    """All modules as one script, in a scope of its own."""
    modules = [_EXPORT.sub("", _IMPORT.sub("", _asset(f"{name}.js"))) for name in _MODULES]
    return '"use strict";\n(() => {\n' + "\n".join(modules) + "})();\n"


def _policy(*scripts: str) -> str:
    """Content-Security-Policy: these scripts by their hash, pictures from the page, no network."""
    hashes = [
        "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"
        for script in scripts
    ]
    return (
        f"default-src 'none'; script-src {' '.join(hashes)}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
