"""Options fail when they are made."""

import pytest

from glance3d.errors import ConfigError
from glance3d.refinement.options import RefineOptions


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="camera must be one of auto, single"):
        RefineOptions(camera="each")


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_that_pycolmap_cannot_take_is_refused(seed: int) -> None:
    with pytest.raises(ConfigError, match="seed must be a whole number from 0"):
        RefineOptions(seed=seed)
