"""Clips to frames: upright, at the right time, in the right colours; damage is said."""

import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from glance3d.errors import ImageError, MissingExtraError
from glance3d.images import open_upright, read_metadata
from glance3d.images.clips import ClipSampling, OpenClips, frame_path, sample_clip
from glance3d.images.clips.high_dynamic_range import to_standard_range
from glance3d.images.files import decoders
from tests.images.clips.drawn import pan, write_clip

ALL = ClipSampling(fps=1000.0)


def difference(picture, truth):
    return np.abs(np.asarray(picture, float) - np.asarray(truth, float)).mean()


@pytest.mark.parametrize(
    ("rotation", "turn"),
    [
        (-90, Image.Transpose.ROTATE_270),  # as phones write portrait clips: clockwise
        (90, Image.Transpose.ROTATE_90),
        (180, Image.Transpose.ROTATE_180),
        (0, None),
    ],
)
def test_the_display_matrix_is_applied(tmp_path, rotation, turn):
    stored = pan([0, 20])
    clip = sample_clip(write_clip(tmp_path / "c.mp4", stored, rotation=rotation), ALL)
    upright = stored[0] if turn is None else stored[0].transpose(turn)
    picture = open_upright(clip.frames[0])
    assert clip.size == picture.size == upright.size
    assert difference(picture, upright) < 6


def test_a_variable_frame_rate_goes_by_time_stamps(tmp_path):
    times = [0.0, 0.033, 0.066, 0.1, 1.7, 1.75, 4.25, 4.3]
    frames = pan(np.arange(8) * 20.0)
    clip = sample_clip(write_clip(tmp_path / "c.mkv", frames, times=times), ALL)
    assert clip.summary.times == pytest.approx(times, abs=1e-3)
    assert clip.summary.seconds == pytest.approx(4.3, abs=1e-3)
    with OpenClips() as clips:
        for path, frame in zip(clip.frames, frames, strict=True):
            assert difference(clips.opened(path), frame) < 6
    for view in (6, 1, 4, 7, 0):  # by seeking, in any order
        assert difference(open_upright(clip.frames[view]), frames[view]) < 6


def test_oblong_pixels_become_square(tmp_path):
    path = write_clip(tmp_path / "c.mp4", pan([0, 30]), aspect=Fraction(3, 2))
    clip = sample_clip(path, ALL)
    assert clip.size == open_upright(clip.frames[0]).size == (240, 96)


def test_colours_by_the_matrix_that_the_file_states(tmp_path):
    colors = ((200, 40, 40), (40, 180, 60), (50, 60, 200), (230, 220, 60))
    picture = Image.new("RGB", (1280, 720))
    for index, color in enumerate(colors):
        picture.paste(color, (index * 320, 0, index * 320 + 320, 720))
    path = tmp_path / "c.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 1  # BT.709, limited
        frame = av.VideoFrame.from_image(picture)
        frame = frame.reformat(
            format="yuv420p",
            dst_colorspace="ITU709",
            src_color_range="JPEG",
            dst_color_range="MPEG",
        )
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    seen = open_upright(frame_path(path, 0.0))
    for index, color in enumerate(colors):
        assert seen.getpixel((index * 320 + 160, 360)) == pytest.approx(color, abs=5)


def test_ten_bits_become_eight(tmp_path):
    frames = pan([0, 30])
    path = write_clip(
        tmp_path / "c.mkv", frames, codec="ffv1", pixel_format="yuv420p10le", options={}
    )
    assert difference(open_upright(frame_path(path, 0.0)), frames[0]) < 4


def test_high_dynamic_range_has_its_white_at_the_standard_one():
    """Reference white (BT.2408: 58 % of PQ, 75 % of HLG) is near white, black is black."""
    for transfer, white in (("pq", 0.5807), ("hlg", 0.75)):
        levels = np.array([[0.0, white / 2, white, 1.0]]).repeat(3, 0).T[None]
        out = to_standard_range((levels * 65535).astype(np.uint16), transfer)
        assert (np.ptp(out.astype(int), axis=-1) <= 1).all()
        black, middle, near_white, peak = out[0, :, 0]
        assert black == 0
        assert 20 < middle < near_white
        assert 220 <= near_white < peak <= 255


def test_what_the_container_says(tmp_path):
    metadata = {
        "com.apple.quicktime.make": "Apple",
        "com.apple.quicktime.model": "iPhone 15",
        "com.apple.quicktime.location.ISO6709": "+47.3769+008.5417+410.5/",
        "creation_time": "2024-05-01T10:00:00Z",
    }
    path = write_clip(tmp_path / "c.mov", pan([0, 40, 80]), metadata=metadata)
    clip = sample_clip(path, ALL)
    first, second = clip.metadata[:2]
    assert first.camera == second.camera == "Apple iPhone 15 filming c.mov"
    assert (first.latitude, first.longitude, first.altitude) == (47.3769, 8.5417, 410.5)
    assert second.latitude is None  # where it was by then, nobody says
    assert second.taken == "2024-05-01T10:00:00.100+00:00"
    assert read_metadata(clip.frames[1]).camera == first.camera
    silent = sample_clip(write_clip(tmp_path / "d.mp4", pan([0, 40])), ALL)
    assert silent.metadata[0].camera == "the camera of d.mp4"


def test_no_clip_is_one_clear_sentence(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is no video" * 100)
    cut = write_clip(tmp_path / "cut.mp4", pan([0, 20, 40]))
    cut.write_bytes(cut.read_bytes()[:-600])  # without its index, which comes last
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        for start in range(0, 4096, 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.rate, frame.pts = 44100, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    for name, match in (
        ("empty", "empty.mp4 is empty"),
        ("text", "text.mp4 is not a video that can be read"),
        ("cut", r"cut\.mp4 .*cut short"),
        ("sound", "sound but no picture"),
    ):
        with pytest.raises(ImageError, match=match):
            sample_clip(tmp_path / f"{name}.mp4", ALL)


def test_a_list_of_other_files_is_no_clip(tmp_path):
    write_clip(tmp_path / "c.mp4", pan([0, 20]))
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile c.mp4\n")
    with pytest.raises(ImageError, match=r"list\.mp4 is not a video that can be read"):
        sample_clip(tmp_path / "list.mp4", ALL)


def test_frames_above_the_limit_of_pixels_are_refused(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "c.mp4", pan([0, 20]))
    monkeypatch.setattr(decoders, "MAX_PHOTO_PIXELS", 1000)
    with pytest.raises(ImageError, match=r"c\.mp4 is .* make it smaller"):
        sample_clip(path, ALL)


def test_damage_in_the_middle_costs_what_is_damaged(tmp_path):
    frames = pan(np.arange(40) * 6.0)
    path = write_clip(tmp_path / "c.mp4", frames)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + len(content) // 10] = np.random.default_rng(0).bytes(
        len(content) // 10
    )
    path.write_bytes(content)
    clip = sample_clip(path, ALL)
    assert 15 < len(clip.frames) < 40
    assert "c.mp4 is damaged" in clip.summary.warnings[0]
    assert difference(open_upright(clip.frames[0]), frames[0]) < 6


def test_a_clip_that_is_cut_short_says_where_it_ends(tmp_path):
    path = write_clip(tmp_path / "c.mkv", pan(np.arange(40) * 6.0), codec="ffv1", options={})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    clip = sample_clip(path, ALL)
    assert 10 < len(clip.frames) < 30
    assert any("c.mkv ends at" in warning for warning in clip.summary.warnings)


def test_a_clip_that_is_gone_or_shorter_now(tmp_path):
    path = write_clip(tmp_path / "c.mp4", pan([0, 20]))
    with pytest.raises(ImageError, match="no frame at 7 s"):
        open_upright(frame_path(path, 7.0))
    path.unlink()
    with pytest.raises(ImageError, match=r"c\.mp4 cannot be read"):
        open_upright(frame_path(path, 0.0))


def test_without_pyav_the_extra_is_named(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "c.mp4", pan([0, 20]))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"c\.mp4 needs av: .*glance3d\[video\]"):
        sample_clip(path, ALL)
