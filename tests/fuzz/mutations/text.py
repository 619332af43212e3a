"""Text and JSON as hand, script and adversary change them: numbers, lines, keys, types, nesting."""

import copy
import json
import re
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.fuzz.mutations.plain import damage

NUMBERS = (
    *("nan", "NaN", "inf", "-inf", "Infinity", "1e400", "-1e400", "1e308", "1e39", "1e-400", "-0"),
    *("0", "-1", "1", "2", "0.5", "16", "1000000", "4294967296", "9223372036854775807"),
    *("9223372036854775808", "-9223372036854775809", "1" + "0" * 40, "9" * 5000, "0x10", "1_0", ""),
)
TEXTS = (
    *("", " ", "\0", "a\0b", "../../etc/passwd", "/etc/passwd", ".", "..", "C:\\con", "~", "*"),
    *(
        "<script>alert(1)</script>",
        "\u202egnp.exe",
        "\ud800",
        "\r\n",
        "x" * 300,
        "e\u0301",
        "\ufeff",
    ),
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_DEPTHS = (10, 1_000, 100_000)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 0.5, 1e39, 1e308, 2**31, 2**63, 2**64, -(2**63), 10**40),
    *(float("nan"), float("inf"), float("-inf"), [], {}, [[]], [None], {"": None}, "1", "nan"),
    *([0, 0], [-1, -1], [1e308] * 3, [[0.0] * 4] * 3, [[1.0]], [10**9, 10**9]),
)


def mutate_text(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Another number, word, encoding, or nesting."""
    kind = random.choice((_number, _number, _number, _word, _nested, _encoded, mutate_lines))
    return kind(content, others, random)


def mutate_lines(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """A line twice, gone, elsewhere, cut short, with other words; or other line endings."""
    lines = content.splitlines(keepends=True)
    if not lines:
        return damage(content, others, random)
    index = random.randrange(len(lines))
    line = lines[index]
    choice = random.randrange(7)
    if choice == 0:
        lines.insert(random.randrange(len(lines) + 1), line)
    elif choice == 1:
        lines.insert(random.randrange(len(lines)), lines.pop(index))
    elif choice == 2:
        del lines[index]
    elif choice == 3:
        lines[index] = line[: random.randrange(len(line) + 1)] + b"\n"
    elif choice == 4:
        lines[index:] = [line[: random.randrange(len(line) + 1)]]  # torn: the last that was written
    elif choice == 5:
        lines[index] = _changed_words(line, random)
    else:
        return content.replace(b"\n", random.choice((b"\r\n", b"\r", b"\n\n", b" ")))
    return b"".join(lines)


def mutate_json(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Another value, type, key or length somewhere in the tree."""
    try:
        tree = json.loads(content)
        return json.dumps(mutate_tree(tree, random)).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return mutate_text(content, others, random)


def mutate_tree(tree: Any, random: Random) -> Any:
    """A tree of dicts and lists with one place changed; texts that are JSON are trees as well."""
    tree = copy.deepcopy(tree)
    places = list(_places(tree))
    if not places:
        return other_value(tree, random)
    parent, key = random.choice(places)
    if isinstance(parent[key], str) and parent[key][:1] in ("{", "[") and random.random() < 0.8:
        parent[key] = mutate_json(parent[key].encode(), (), random).decode("utf-8", "replace")
        return tree
    choice = random.randrange(6)
    if choice == 0:
        del parent[key]
    elif choice == 1 and isinstance(parent, dict):
        parent[random.choice(TEXTS)] = parent.pop(key)
    elif choice == 1:
        parent.insert(key, copy.deepcopy(parent[key]))
    elif choice == 2:
        parent[key] = _wrapped(parent[key], random)
    else:
        parent[key] = other_value(parent[key], random)
    return tree


def other_value(value: Any, random: Random) -> Any:
    """Something else where this value stood: of its type, or of another."""
    if isinstance(value, str) and random.random() < 0.5:
        return random.choice(TEXTS)
    if isinstance(value, list) and value and random.random() < 0.5:
        return value * random.choice((2, 100)) if len(value) < 100 else value[:1]
    return random.choice(_VALUES)


def _places(tree: Any) -> Any:
    """Every place of a tree: what holds it, and under which key."""
    keys = (
        tree.keys()
        if isinstance(tree, dict)
        else range(len(tree))
        if isinstance(tree, list)
        else ()
    )
    for key in keys:
        yield tree, key
        yield from _places(tree[key])


def _wrapped(value: Any, random: Random) -> Any:
    for _ in range(random.choice((1, 2, 400))):
        value = [value]
    return value


def _number(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    places = list(_NUMBER.finditer(content))
    if not places:
        return damage(content, others, random)
    place = random.choice(places)
    return content[: place.start()] + random.choice(NUMBERS).encode() + content[place.end() :]


def _word(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    words = re.split(rb"(\s+)", content)
    words[random.randrange(len(words))] = random.choice(TEXTS).encode("utf-8", "surrogatepass")
    return b"".join(words)


def _changed_words(line: bytes, random: Random) -> bytes:
    words = line.split()
    for _ in range(random.choice((1, 1, 3))):
        index = random.randrange(len(words) + 1)
        words[index : index + random.randrange(2)] = [random.choice(NUMBERS).encode()]
    return b" ".join(words) + b"\n"


def _nested(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    depth, start = random.choice(_DEPTHS), random.randrange(len(content) + 1)
    opening, closing = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"(", b")")))
    closed = closing * depth if random.random() < 0.5 else b""
    return content[:start] + opening * depth + b"1" + closed + content[start:]


def _encoded(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    text = content.decode("utf-8", "replace")
    if random.random() < 0.3:
        return b"\xef\xbb\xbf" + content
    return text.encode(random.choice(("utf-16", "utf-32", "utf-16-le", "cp037")), "replace")
