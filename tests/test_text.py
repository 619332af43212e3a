"""Text from elsewhere shows all that it holds."""

import pytest

from glance3d.text import counted, gigabytes, named_groups, visible_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("IMG 01 (é).jpg", "IMG 01 (é).jpg"),
        ("写真\u202f1.png", "写真\u202f1.png"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("two\r\nlines", "two\\x0d\\x0alines"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("zero\u200bwidth\ufeff\u2066", "zero\\u200bwidth\\ufeff\\u2066"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("bytes\udc80", "bytes\\udc80"),
        ("line\u2028next\x85", "line\\u2028next\\x85"),
        ("filler\u3164", "filler\\u3164"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    assert visible_text(text) == shown
    shown.encode()  # any stream of Unicode can take it


def test_line_ends_stay_where_they_are_wanted() -> None:
    assert visible_text("a\nb\tc", keep="\n") == "a\nb\\x09c"


def test_a_size_is_never_nothing() -> None:
    shown = [gigabytes(count) for count in (18_000, 645_000, 4_000_000, 5_000_000, 10**11)]
    assert shown == ["0.018 MB", "0.65 MB", "4 MB", "0.01 GB", "100.00 GB"]


def test_one_photo_is_no_photos() -> None:
    assert [counted(count, "photo") for count in range(3)] == ["0 photos", "1 photo", "2 photos"]


def test_groups_are_counted_and_shortened() -> None:
    assert named_groups(["e", "abcd"]) == "4 (a, b, c ...); 1 (e)"
    assert named_groups(["ab", "c", "de", "f"], shown=2) == "2 (a, b); 2 (d, e); 2 smaller groups"
