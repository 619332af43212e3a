"""Options fail when they are made."""

import pytest

from glance3d.errors import ConfigError
from glance3d.refinement.options import RefineOptions


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="camera must be one of auto, single"):
        RefineOptions(camera="each")
