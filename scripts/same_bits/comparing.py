"""Print what differs between the hashes of two checkouts."""

import argparse
import json
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np


def compare(options: argparse.Namespace) -> int:
    """Print what differs between two files of hashes; 1 if anything does."""
    contents = [json.loads(path.read_text()) for path in (options.first, options.second)]
    first, second = contents
    for key in ("commit", "packages"):
        if first[key] != second[key]:
            print(f"note: {key} {first[key]} and {second[key]}")
    jobs = [*first["jobs"], *(name for name in second["jobs"] if name not in first["jobs"])]
    num_compared, num_differences, num_jobs = 0, 0, 0
    for name in jobs:
        if all(name in content["jobs"] for content in contents):
            compared, differences = compare_job(name, contents, options)
            num_compared, num_differences = num_compared + compared, num_differences + differences
            num_jobs += 1
        elif first["only"] is None and second["only"] is None:
            print(f"{name}: only in the {'first' if name in first['jobs'] else 'second'}")
            num_differences += 1
    print(f"{num_differences} of {num_compared} values, arrays and files of {num_jobs} jobs differ")
    return 1 if num_differences or not num_jobs else 0


def compare_job(
    name: str, contents: Sequence[dict[str, Any]], options: argparse.Namespace
) -> tuple[int, int]:
    """Print what differs in one job; how many parts were compared, and how many differ."""
    a, b = (content["jobs"][name]["leaves"] for content in contents)
    if a["exit"] != b["exit"]:
        print(f"{name}: exit code {a['exit']} -> {b['exit']}")
        return 1, 1
    keys = [
        key
        for key in [*a, *(key for key in b if key not in a)]
        if not any(fnmatch(f"{name}/{key}", pattern) for pattern in options.ignore)
    ]
    different = [key for key in keys if a.get(key) != b.get(key)]
    different.sort(key=lambda key: ".npz:" not in key)  # arrays first: they say by how much
    if different:
        print(f"{name}: {len(different)} of {len(keys)} differ")
    folders = [Path(content["kept"], name) for content in contents if content["kept"]]
    for key in different[: options.most]:
        print(f"  {key}: {a.get(key, 'missing')} -> {b.get(key, 'missing')}")
        print(describe_difference(key, folders), end="")
    if len(different) > options.most:
        print(f"  and {len(different) - options.most} more (--most)")
    return len(keys), len(different)


def describe_difference(key: str, folders: Sequence[Path]) -> str:
    """By how much two kept arrays differ; nothing if this is no array, or was not kept."""
    file, _, name = key.partition(":")
    paths = [folder / file for folder in folders]
    if not file.endswith(".npz") or len(paths) < 2 or not all(path.is_file() for path in paths):
        return ""
    with np.load(paths[0]) as first, np.load(paths[1]) as second:
        if name not in first or name not in second:
            return ""
        a, b = first[name], second[name]
    if a.shape != b.shape or a.dtype.kind not in "fiub" or b.dtype.kind not in "fiub":
        return ""
    num = int((~((a == b) | ((a != a) & (b != b)))).sum())  # NaN equals NaN
    size = np.abs(a.astype(np.float64) - b.astype(np.float64))
    largest = float(np.nanmax(size)) if np.isfinite(size).any() else float("nan")
    return f"    {num} of {a.size} numbers, by at most {largest:.3g}\n"
