"""What the server sends, without a browser; and the page, in one."""

import io
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import glance3d
from glance3d.exporters import export
from glance3d.types.masks import PhotoMask
from glance3d.viewer import Viewer
from glance3d.viewer.panel import AFTER, BEFORE, BOTH
from glance3d.viewer.pictures import small_photo
from glance3d.viewer.scene_part import SPARSE
from tests.conftest import PATIENCE
from tests.exporters.analytic import without_points

pytestmark = pytest.mark.usefixtures("viser_installed")


def _open(scene, **options) -> Viewer:
    viewer = glance3d.view(scene, port=0, open_browser=False, wait=False, **options)
    assert viewer.up_to_date.wait(PATIENCE)
    return viewer


def _sent(viewer: Viewer, version: str = AFTER) -> int:
    """How many points lie in the messages for whoever connects now."""
    messages = [*viewer.server._websock_server._broadcast_buffer.message_from_id.values()]
    return sum(
        len(message.props.points)
        for message in messages
        if type(message).__name__ == "PointCloudMessage" and f"/{version}/" in message.name
    )


def _changed(viewer: Viewer, control: str, value: object) -> None:
    getattr(viewer.panel, control).value = value
    assert viewer.up_to_date.wait(PATIENCE)


def _until(true: Callable[[], bool]) -> None:
    """Look again and again, without a clock: thousands of looks take minutes."""
    for _ in range(10 * PATIENCE):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("what was waited for never came")


def test_controls_change_what_is_sent(full_scene):
    with _open(full_scene, percentile=0.0) as viewer:
        part = viewer.parts[AFTER]
        everything = part.num_shown
        assert everything == int(full_scene.mask.sum()) == _sent(viewer)
        _changed(viewer, "percentile", 60)
        assert part.num_shown == pytest.approx(0.4 * everything, rel=0.01)
        assert _sent(viewer) == part.num_shown
        _changed(viewer, "percentile", 0)
        _changed(viewer, "budget", 0.02)
        assert 0 < part.num_shown == _sent(viewer) <= 20_000
        _changed(viewer, "budget", 1.0)
        _changed(viewer, "source", SPARSE)
        assert part.num_shown == len(full_scene.sparse) == _sent(viewer)


def test_cameras_photos_tracks_and_axes_can_be_hidden(full_scene):
    with _open(full_scene) as viewer:
        part = viewer.parts[AFTER]
        wires, photos = part.cameras._wires, part.cameras._filled
        assert all(photo.visible for photo in photos)
        assert photos[0].image is not None
        _changed(viewer, "photos", False)
        assert all(wire.visible for wire in wires)
        assert not any(photo.visible for photo in photos)
        _changed(viewer, "cameras", False)
        assert not any(wire.visible for wire in wires)
        assert not part._tracks
        _changed(viewer, "tracks", True)
        assert len(part._tracks) == 2
        assert all(handle.visible for handle in part._tracks)


def test_what_masks_leave_out_is_dimmed_in_the_photos(scene):
    keep = np.zeros((240, 320), bool)
    keep[:, :160] = True
    masked = replace(scene, masks=(PhotoMask.from_array(keep), None, None, None)).masked()
    whole = small_photo(scene, 0, 256)
    with _open(masked) as viewer:
        photos = viewer.parts[AFTER].cameras._filled
        assert np.array_equal(photos[0].image[:, :120], whole[:, :120])
        assert not np.array_equal(photos[0].image[:, 140:], whole[:, 140:])
        assert viewer.parts[AFTER].num_shown < _points_of(scene)
        _changed(viewer, "masks", False)
        assert np.array_equal(photos[0].image, whole)


def _points_of(scene) -> int:
    return int(0.75 * scene.mask.sum())


def test_before_and_after_stand_side_by_side_or_alone(full_scene):
    with _open(full_scene, before=full_scene) as viewer:
        before, after = viewer.parts[BEFORE], viewer.parts[AFTER]
        assert viewer.panel.version.value == BOTH
        assert before.num_shown == after.num_shown > 0
        assert before.pose_of(0).position[0] < after.pose_of(0).position[0]
        _changed(viewer, "version", BEFORE)
        assert not after.visible
        assert after.num_shown == 0
        assert np.allclose(before.pose_of(0).position, after.pose_of(0).position, atol=1e-4)


def test_a_scene_of_cameras_alone_is_shown(scene):
    with _open(without_points(scene)) as viewer:
        assert viewer.parts[AFTER].num_shown == 0
        assert viewer.panel.source.value == "none"


def test_a_viewer_ends_and_its_port_is_free_again(scene):
    viewer = _open(scene)
    viewer.stop()
    viewer.stop()
    again = glance3d.view(scene, port=viewer.port, open_browser=False, wait=False)
    again.stop()
    assert again.port == viewer.port


@pytest.mark.long
def test_the_page_shows_the_scene_and_answers_the_slider(full_scene, page):
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    with _open(full_scene, percentile=0.0) as viewer:
        page.goto(viewer.url)
        _until(lambda: _colourful(page) > 0.05)
        full = _colourful(page)
        assert "points shown" in page.inner_text("body")
        _changed(viewer, "cameras", False)
        _changed(viewer, "percentile", 95)
        _until(lambda: _colourful(page) < 0.5 * full)
        page.get_by_text("photo ▶").click()
        target = viewer.parts[AFTER].pose_of(1).position
        client = next(iter(viewer.server.get_clients().values()))
        _until(lambda: bool(np.allclose(client.camera.position, target, atol=1e-3)))
        _until(lambda: "b.png" in page.inner_text("body"))
    assert complaints == []


@pytest.mark.long
def test_ctrl_c_ends_the_command_without_a_trace(scene, tmp_path):
    export(scene, tmp_path / "scene.npz")
    command = [sys.executable, "-m", "glance3d", "view", str(tmp_path), "--no-open", "--port", "0"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background, children would be born deaf to it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        assert process.stderr is not None
        assert "http://127.0.0.1:" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode in (0, 130)
    assert output == ""
    assert "Traceback" not in errors


def _colourful(page) -> float:
    """The share of the scene's part of the page that is neither paper nor grey."""
    picture = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)
    scene_pixels = picture[190:, :560]  # beside the panel, below any notice
    return float(np.mean(scene_pixels.max(-1) - scene_pixels.min(-1) > 40))
