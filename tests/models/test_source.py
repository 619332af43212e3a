"""Where a network comes from: refused when it is named, loaded when it is wanted."""

from pathlib import Path

import pytest

from glance3d.errors import InputError, WeightsError
from glance3d.models import ModelSource, build_model, load_model
from glance3d.models.config import glance_small
from glance3d.training.run.checkpoint import export_weights


def test_outline_and_network_are_those_of_the_name() -> None:
    source = ModelSource("glance-small", device="cpu")
    assert source.network_name == "glance-small"
    assert source.outline().preprocessing == source.load().preprocessing
    assert source.resolved_device().type == "cpu"


def test_a_loaded_network_is_used_as_it_is() -> None:
    network = load_model("glance-small", device="cpu")
    source = ModelSource(network, "other.safetensors", "no-such-device", "float7")
    assert source.outline() is network
    assert source.load() is network
    assert source.network_name == "glance-small"
    assert source.resolved_device().type == "cpu"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": "no-such-model"}, WeightsError, "unknown model 'no-such-model'"),
        ({"device": "abacus"}, InputError, "device 'abacus' cannot be used here"),
        ({"precision": "float7"}, InputError, "unknown precision 'float7'"),
    ],
)
def test_what_cannot_be_loaded_is_refused_when_made(
    arguments: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ModelSource(**arguments)


def test_a_file_of_weights_knows_its_networks_name(tmp_path: Path) -> None:
    export_weights(build_model(glance_small()), tmp_path / "mine.safetensors")
    assert ModelSource(tmp_path / "mine.safetensors").network_name == "glance-small"
