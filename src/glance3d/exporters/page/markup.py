"""HTML and SVG from Python values, escaped unless they are markup already.

File names are untrusted, and the page may be sent to anybody: text becomes markup only here.
"""

from collections.abc import Iterable
from html import escape
from typing import Any

from glance3d.text import visible_text

_WITHOUT_CONTENT = {"img", "input"}


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


# Text, markup, or any nesting of them.
Child = str | Iterable[Any] | None
Attribute = str | int | float | bool | None


def element(tag: str, *children: Child, **attributes: Attribute) -> Markup:
    """One element. ``class_`` is ``class``, ``data_view`` is ``data-view``; None leaves out."""
    words = [tag, *_attributes(attributes)]
    if tag in _WITHOUT_CONTENT:
        return Markup(f"<{' '.join(words)}>")
    return Markup(f"<{' '.join(words)}>{join(children)}</{tag}>")


def join(children: Iterable[Child]) -> Markup:
    """The children one after the other."""
    return Markup("".join(map(_text, children)))


def _text(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return escape(visible_text(child, keep="\n"))
    return join(child)


def _attributes(attributes: dict[str, Attribute]) -> Iterable[str]:
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        # SVG's own names (viewBox) have no underscore; HTML's have hyphens.
        spelled = name.rstrip("_").replace("_", "-")
        if value is True:
            yield spelled
        else:
            text = f"{value:.6g}" if isinstance(value, float) else str(value)
            yield f'{spelled}="{escape(visible_text(text))}"'
