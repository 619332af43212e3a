"""Hash a file by its parts, without what differs between two runs of one checkout."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

LONGEST_LEAF = 100  # characters of a JSON value that are stored as they are

# What differs between two runs of one checkout, or between two days.
# Keys of JSON files (and arrays of evaluation's predictions), by the end of their path.
VARYING_KEYS = re.compile(
    r"""(^|\.)(
        created | times(\..*)? | seconds | \w+_seconds | waited   # clocks
      | memory\.peak_\w+ | machine(\..*)? | versions(\..*)?       # machine and environment
      | glance3d                                                  # the version in a manifest
      | files\..*\.(size|sha256)      # in a manifest: the files are hashed themselves, normalised
      | export\.files\..*            # sizes in a report, of files that name folders and times
    )$""",
    re.VERBOSE,
)
# Files that are not compared.
LEFT_OUT = (
    "checkpoint.pt",  # a training run's clocks; its weights and log are compared
)


Normalise = Callable[[str], str]


def digest(content: bytes) -> str:
    """A short hash of bytes."""
    return hashlib.sha256(content).hexdigest()[:16]


def normalise_text(text: str, work: Path, checkout: Path) -> str:
    """The text without folders of this run, times, dates, sizes of memory and versions."""
    text = text.replace(str(work), "WORK").replace(str(checkout), "CHECKOUT")
    lines = text.split("\n")
    if any(re.match(r"set .* sec$", line) for line in lines):
        # evaluation's table ends in a column of seconds
        lines = [re.sub(r"^(.*\S) +(-|[\d.]+)$", r"\1 #", line) for line in lines]
    text = "\n".join(lines)
    text = re.sub(r"\d{4}-\d\d-\d\d(T[\d:.+]+Z?)?", "DATE", text)
    text = re.sub(r"\b\d[\d.]* (ms|s|min|h)\b( \d+ (min|s)\b)?", "TIME", text)
    text = re.sub(r"\b\d[\d.,]* (kB|MB|GB)\b", "SIZE", text)
    text = re.sub(r'("(\w+_)?seconds": )[\d.e-]+', r"\1#", text)  # the JSON that train prints
    return re.sub(r"glance3d \d+\.\d+\.\d+", "glance3d VERSION", text)


def hash_file(path: Path, normalise: Normalise) -> Iterator[tuple[str, str]]:
    """Pairs of a key inside the file ("" for a whole file) and its value or hash."""
    content = path.read_bytes()
    if path.suffix == ".npz":
        yield from hash_arrays(path, normalise)
    elif path.suffix == ".json":
        yield from hash_json(json.loads(content), normalise)
    elif path.suffix == ".jsonl":
        for index, line in enumerate(content.decode().splitlines()):
            yield from hash_json(json.loads(line), normalise, f"[{index}]")
    elif path.suffix == ".safetensors":
        yield from hash_weights(content, normalise)
    elif path.suffix == ".html":
        yield from hash_page(content.decode(), normalise)
    elif path.suffix in (".txt", ".csv"):
        yield "", digest(normalise(content.decode()).encode())
    elif path.suffix == ".las":
        # bytes 58 to 94 of the header: the software with its version, day and year of its making
        yield "", digest(content[:58] + content[94:])
    else:
        yield "", digest(re.sub(rb"glance3d \d+\.\d+\.\d+", b"glance3d VERSION", content))


def hash_arrays(path: Path, normalise: Normalise) -> Iterator[tuple[str, str]]:
    """Each array by itself: its type, shape and bytes; one that holds JSON by its keys."""
    with np.load(path) as arrays:
        for name in arrays.files:
            array = arrays[name]
            if VARYING_KEYS.search(name):
                yield f":{name}", "varies"
            elif array.dtype.kind != "U":
                bits = digest(np.ascontiguousarray(array).tobytes())
                yield f":{name}", f"{array.dtype} {list(array.shape)} {bits}"
            elif array.ndim == 0 and str(array)[:1] in ("{", "["):
                yield from hash_json(json.loads(str(array)), normalise, f":{name}")
            else:  # the dtype of strings holds the length of the longest, of a path for instance
                yield from hash_json(array.tolist(), normalise, f":{name}")


def hash_json(content: Any, normalise: Normalise, path: str = "") -> Iterator[tuple[str, str]]:
    """Each value by its path, ``:views[0].name``; lists of plain values are one value."""
    inside = list(content.items()) if isinstance(content, dict) else None
    if isinstance(content, list) and any(isinstance(value, dict | list) for value in content):
        inside = list(enumerate(content))
    if inside:
        for key, value in inside:
            step = f"[{key}]" if isinstance(key, int) else f"{'.' if path else ':'}{key}"
            yield from hash_json(value, normalise, f"{path}{step}")
    elif VARYING_KEYS.search(path.replace(":", ".")):
        yield path, "varies"
    else:
        text = json.dumps(content)
        text = normalise(text) if '"' in text else text
        yield path, text if len(text) <= LONGEST_LEAF else f"{text[:60]}... {digest(text.encode())}"


def hash_weights(content: bytes, normalise: Normalise) -> Iterator[tuple[str, str]]:
    """Each tensor of a safetensors file by itself.

    The library writes the metadata in another order in every process, so that whole files differ.
    """
    start = 8 + int.from_bytes(content[:8], "little")  # where the tensors begin
    header = json.loads(content[8:start])
    yield from hash_json(header.pop("__metadata__", {}), normalise, ":metadata")
    for name, entry in sorted(header.items()):
        first, last = (start + offset for offset in entry["data_offsets"])
        yield f":{name}", f"{entry['dtype']} {entry['shape']} {digest(content[first:last])}"


def hash_page(page: str, normalise: Normalise) -> Iterator[tuple[str, str]]:
    """Each script of an HTML page by its number, and the rest without times."""
    for index, script in enumerate(re.findall(r"<script.*?</script>", page, re.DOTALL)):
        yield f":script[{index}]", digest(normalise(script).encode())
    rest = re.sub(r"<script.*?</script>", "<script/>", page, flags=re.DOTALL)
    # bars of the table of times; cores of the machine; the version
    rest = re.sub(r'(<td class="share".*?width:)[\d.]+%', r"\1#", rest)
    rest = re.sub(r"\d+ cores?\b", "# cores", rest)
    rest = re.sub(r"(<dt>Glance3D</dt><dd>)[^<]*", r"\1VERSION", rest)
    yield ":page", digest(normalise(rest).encode())
