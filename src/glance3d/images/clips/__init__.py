"""Video: choose frames of a clip as views, and read each of them again later.

A frame is named by its file and its time, ``clip.mp4#t=3.250000``, as a media fragment (W3C, Media
Fragments URI 1.0, section 4.2.1), and is then treated as any photo: nothing is kept on disk, and a
saved scene reads its frames from the clip again. The choice of frames (``sampling``, ``motion``) is
independent of decoding (``container``, ``survey``, ``reader``).
"""

from glance3d.images.clips.encode import save_clip
from glance3d.images.clips.extract import SampledClip, expand_clips, sample_clip
from glance3d.images.clips.frame_paths import (
    CLIP_SUFFIXES,
    file_of,
    frame_path,
    is_clip,
    seconds_of,
    shown_path,
    split_frame,
)
from glance3d.images.clips.reader import OpenClips, read_frame, read_frame_header
from glance3d.images.clips.sampling import ClipSampling

__all__ = [
    "CLIP_SUFFIXES",
    "ClipSampling",
    "OpenClips",
    "SampledClip",
    "expand_clips",
    "file_of",
    "frame_path",
    "is_clip",
    "read_frame",
    "read_frame_header",
    "sample_clip",
    "save_clip",
    "seconds_of",
    "shown_path",
    "split_frame",
]
