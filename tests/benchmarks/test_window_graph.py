"""The drawn walks' benchmark goes on where it was stopped."""

from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.kept_rows import keep_row
from benchmarks.window_graph import (
    CorridorResult,
    Errors,
    LoopResult,
    Task,
    lines_of,
    read_results,
)


def test_rows_are_read_again_and_what_a_stop_cut_is_not(tmp_path: Path) -> None:
    errors = Errors(1.0, 2.0, 4.0)
    loop = LoopResult(7, 1.0, 17, 1, 2, errors, replace(errors, drift=1.0))
    corridor = CorridorResult(7, "muddled", 3, 0, 0, 2)
    kept = tmp_path / "rows.jsonl"
    keep_row(kept, asdict(loop))
    with kept.open("a") as lines:
        lines.write('{"seed": 9, "lap')
    keep_row(kept, asdict(corridor))
    assert dict(read_results(kept)) == {Task(7, 1.0): loop, Task(7): corridor}
    text = "\n".join(lines_of([loop, corridor]))
    assert "| drift where the walk comes back | 4.000; 4.000 | 1.000; 1.000 | 4.0 |" in text
    assert "| muddled | 1 | 3 | 2 | 0 | 0 |" in text
