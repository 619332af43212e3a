"""JSON from elsewhere is data of bounded depth and finite numbers, or one sentence."""

import pytest

from glance3d.errors import SceneError
from glance3d.files.json_input import DEPTH_LIMIT, parse_json, refuse_odd_numbers


@pytest.mark.parametrize("text", ["{", "", "1" * 5000, "[" * 100_000, '{"a":' * 100_000])
def test_what_is_no_json_is_one_sentence(text: str) -> None:
    with pytest.raises(SceneError, match=r"^it (cannot be read as JSON|is nested deeper)"):
        parse_json(text, "it", error=SceneError)


def test_the_deepest_that_is_read() -> None:
    deepest = "[" * DEPTH_LIMIT + "]" * DEPTH_LIMIT
    assert parse_json(deepest, "it", error=SceneError)
    with pytest.raises(SceneError, match="nested deeper"):
        parse_json(f"[{deepest}]", "it", error=SceneError)


@pytest.mark.parametrize(
    "text", ["[NaN]", '{"a": [-Infinity]}', "[1e999]", "[9223372036854775808]"]
)
def test_numbers_that_surprise_are_refused(text: str) -> None:
    with pytest.raises(SceneError, match=r"^(numbers in it must be finite|it holds)"):
        refuse_odd_numbers(parse_json(text, "it", error=SceneError), "it", error=SceneError)
    refuse_odd_numbers({"a": [1, 2.5, None, True, "NaN"]}, "it", error=SceneError)
