import pytest

from glance3d.models import load_model
from tests.evaluation.protocols.fake import Fake


@pytest.fixture(scope="package")
def model(tiny_weights):
    return load_model(str(tiny_weights), device="cpu", precision="float32")


@pytest.fixture
def fake(model, monkeypatch):
    return Fake(model, monkeypatch)
