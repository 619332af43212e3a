"""Rows of a long benchmark beside its result (``.jsonl``), from which a stopped run goes on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read_rows(kept: Path) -> list[dict[str, Any]]:
    """What earlier runs measured; a line that the end of a run cut is left out."""
    rows = []
    for line in kept.read_text().splitlines() if kept.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def keep_row(kept: Path, row: Mapping[str, Any]) -> None:
    """One more, on a line of its own, whatever stands there."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    is_cut = kept.exists() and not kept.read_bytes().endswith(b"\n")
    with kept.open("a") as lines:
        lines.write("\n" * is_cut + json.dumps(row) + "\n")
