"""That what these tests say of shapes is looked at."""

import pytest
import torch
from jaxtyping import TypeCheckError

from glance3d.geometry.transforms import invert
from tests import shape_checks

RIGHT, WRONG = torch.eye(4)[:3], torch.eye(3)[:2]


def test_the_first_calls_are_checked() -> None:
    for _ in range(shape_checks.CHECKED_CALLS):
        with pytest.raises(TypeCheckError):
            invert(WRONG)


def test_and_later_one_in_a_hundred() -> None:
    for _ in range(shape_checks.CHECKED_SHARE - 1):
        invert(RIGHT)
    with pytest.raises(TypeCheckError):
        invert(WRONG)
