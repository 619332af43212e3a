"""What can be asked of a pass, and the one door that it is asked through."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import glance3d
from glance3d.errors import InputError, NotEnoughMemoryError
from glance3d.models import VGGT
from glance3d.models.memory import plan as memory_plan
from glance3d.pass_options import PassOptions, WindowOptions
from glance3d.types import ImageBatch

SMALL = {"max_pixels": 84 * 56}


@pytest.fixture(scope="module")
def network(tiny_weights: Path) -> VGGT:
    return glance3d.load_model(tiny_weights, device="cpu")


@pytest.fixture
def batch(photos: Path) -> ImageBatch:
    return glance3d.load_images(photos, glance3d.Preprocessing(**SMALL))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outputs": "camera"}, "must be a list of names"),
        ({"outputs": ("camera", "normals")}, "unknown output 'normals': choose from camera"),
        ({"outputs": ()}, "got no outputs"),
        ({"attention": "sparse"}, "unknown attention 'sparse': choose from full, thin"),
        ({"outputs": ("tracks",)}, "tracks need query points"),
        ({"queries": []}, r"\[N, 2\] pixels"),
        ({"queries": [(1, 2, 3)]}, r"\[N, 2\] pixels \(x, y\), got \[\(1, 2, 3\)\]"),
        ({"queries": 5}, r"\[N, 2\] pixels \(x, y\), got 5"),
        ({"queries": torch.ones(2)}, r"\[N, 2\] pixels"),
        ({"overlap": 2}, "overlap is an option of windows"),
        ({"window": 1}, "at least 2 views"),
        ({"window": 4, "overlap": 4}, "can share 1 to 3"),
        ({"window": 4, "queries": [(1, 1)]}, "one pass sees all views"),
        ({"window": 4, "outputs": ("tracks",)}, "one pass sees all views"),
    ],
)
def test_options_fail_when_made(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        PassOptions(**options)


def test_values_of_a_wrong_type_are_refused_in_a_sentence() -> None:
    """In a process of its own, without the tests' check of types at run time."""
    code = (
        "from glance3d import Glance3DError, PassOptions\n"
        "for options in (dict(outputs=None), dict(outputs=[['camera']]), dict(window='3'),\n"
        "                dict(window=2.5), dict(window=4, overlap=1.5)):\n"
        "    try: PassOptions(**options)\n"
        "    except Glance3DError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "outputs must be a list of names such as ('camera',), got None",
        "unknown output ['camera']: choose from camera, depth, points, tracks, rays",
        "window must be a whole number of views, got '3'",
        "window must be a whole number of views, got 2.5",
        "overlap must be a whole number of views, got 1.5",
    ]


def test_options_are_values() -> None:
    options = PassOptions(["camera", "depth", "camera"], np.array([[1.5, 2]]))
    assert options == PassOptions(("camera", "depth", "tracks"), ((1.5, 2.0),))
    assert hash(options) == hash(PassOptions(queries=torch.tensor([[1.5, 2.0]])))
    assert PassOptions().windows is None
    assert PassOptions(window=8).windows == WindowOptions(8)


def test_options_load_nothing_heavy() -> None:
    code = "import sys, glance3d; glance3d.PassOptions(window=4); print('torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_queries_are_pixels_of_the_reference_photo(network: VGGT, batch: ImageBatch) -> None:
    queries = torch.tensor([[20.0, 30.0], [50.5, 60.25]])
    options = PassOptions(queries=queries, reference="view2")
    predictions = glance3d.predict(network, batch, options)
    placement = batch.placements[1]
    assert predictions.tracks is not None
    own = placement.to_original(predictions.tracks[0, 1] + 0.5)
    torch.testing.assert_close(own, queries, rtol=0, atol=1e-3)
    scene = glance3d.reconstruct(
        list(batch.sources), model=network, preprocess=SMALL, query_points=queries, reference=1
    )
    assert torch.equal(scene.depth, predictions.to_reconstruction(batch).depth)
    assert torch.equal(
        scene.tracks.positions, predictions.to_reconstruction(batch).tracks.positions
    )
    with pytest.raises(InputError, match="outside the photo view1"):
        glance3d.predict(network, batch, PassOptions(queries=[(9000, 1)]))


def test_only_what_is_asked_for_is_predicted(network: VGGT, batch: ImageBatch) -> None:
    predictions = glance3d.predict(network, batch, PassOptions(("depth",)))
    assert set(predictions.as_dict()) == {"depth", "depth_conf"}
    in_windows = glance3d.predict(network, batch, PassOptions(("camera",), window=2, overlap=1))
    assert set(in_windows.as_dict()) == {"pose_enc"}


def test_what_cannot_fit_is_refused(
    network: VGGT, batch: ImageBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_plan, "available_memory", lambda _: 10**8)
    with pytest.raises(NotEnoughMemoryError, match="3 views of"):
        glance3d.predict(network, batch)
