"""CO3Dv2: annotations of all frames of a category, zipped, and the sets of its challenge.

Source: Reizenstein et al., "Common objects in 3D", ICCV 2021, and the data set's own records: a
viewpoint has PyTorch3D's axes (x left, y up, z forward; rows are multiplied from the left) and a
focal length and principal point in units of half the picture's shorter side ("ndc_isotropic") or
of half of each side ("ndc_norm_image_bounds"). Depth is z-depth by multi-view stereo: 16 bits of a
picture are a half-precision number, times ``scale_adjustment``, where a mask is not black.
"""

import zlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import CamerasError, ImageError
from glance3d.evaluation.protocols.layouts.common import (
    LoadDepth,
    named_photo,
    pinhole,
    refuse_other_size,
    true_scene,
)
from glance3d.evaluation.protocols.truth import ListedScene, TrueScene
from glance3d.files.json_input import parse_json, read_json_object
from glance3d.files.text_input import read_bytes
from glance3d.formats.camera_values import read_pose
from glance3d.images.decoding.decode import read_header
from glance3d.images.decoding.depth_maps import read_depth_map

ANNOTATIONS = "frame_annotations.jgz"
SETS = Path("set_lists") / "set_lists_fewview_dev.json"
_LONGEST = 1 << 30
_OPENCV_FROM_PYTORCH3D = torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64)


def list_scenes(data: Path, scenes: Sequence[str]) -> list[ListedScene]:
    """``CATEGORY/frame_annotations.jgz`` and ``CATEGORY/set_lists/set_lists_fewview_dev.json``.

    Scenes are the sequences that have frames in the sets' ``test``; ``scenes`` are categories.
    """
    listed = []
    folders = [path for path in sorted(data.iterdir()) if (path / ANNOTATIONS).is_file()]
    for folder in folders:
        if scenes and folder.name not in scenes:
            continue
        tested = _tested(folder / SETS)
        sequences = defaultdict(list)
        for record in _annotations(folder / ANNOTATIONS):
            if record["sequence_name"] in tested:
                sequences[record["sequence_name"]].append(record)
        for name, records in sorted(sequences.items()):
            records.sort(key=lambda record: record["frame_number"])
            frames = tuple(str(record["frame_number"]) for record in records)
            scene = f"{folder.name}-{name}"
            read = _reader(data, scene, records)
            listed.append(ListedScene(scene, frames, read, folder.name))
    return listed


def _tested(path: Path) -> set[str]:
    sets = read_json_object(path, error=CamerasError)
    rows = sets.get("test")
    if not isinstance(rows, list) or not all(isinstance(row, list) and row for row in rows):
        raise CamerasError(f"{path} must list rows of sequence, number and photo as 'test'")
    return {str(row[0]) for row in rows}


def _annotations(path: Path) -> list[dict[str, Any]]:
    packed = read_bytes(path, error=CamerasError, limit=_LONGEST)
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        content = unpacker.decompress(packed, _LONGEST)
        text = content.decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise CamerasError(f"{path} must be JSON packed by gzip: {error}") from error
    if not unpacker.eof:
        raise CamerasError(f"{path} is cut short, or unpacks to more than {_LONGEST:,} bytes")
    records = parse_json(text, str(path), error=CamerasError)
    if not isinstance(records, list) or not all(map(_is_frame, records)):
        raise CamerasError(f"{path} must list frames with sequence, number, image and viewpoint")
    return records


def _is_frame(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and isinstance(record.get("sequence_name"), str)
        and isinstance(record.get("frame_number"), int)
        and isinstance(record.get("image"), dict)
        and isinstance(record.get("viewpoint"), dict)
    )


def _reader(data: Path, name: str, records: Sequence[dict[str, Any]]):
    def read(chosen: Sequence[int]) -> TrueScene:
        kept = [records[place] for place in chosen]
        paths, poses, matrices = [], [], []
        for record in kept:
            where = f"frame {record['frame_number']} of {name}"
            paths.append(named_photo(data, str(record["image"].get("path")), "a photo of CO3D"))
            pose, matrix = read_viewpoint(record["viewpoint"], record["image"].get("size"), where)
            poses.append(pose)
            matrices.append(matrix)
        depth = _depth_reader(data, name, kept, paths) if any("depth" in r for r in kept) else None
        return true_scene(name, paths, poses, matrices, depth)

    return read


def _depth_reader(
    data: Path, name: str, records: Sequence[dict[str, Any]], photos: Sequence[Path]
) -> LoadDepth:
    def load(view: int) -> Float[Tensor, "height width"] | None:
        where = f"frame {records[view]['frame_number']} of {name}"
        record = records[view].get("depth")
        if record is None:
            return None
        try:
            scale = float(record["scale_adjustment"])
            path = named_photo(data, str(record["path"]), f"depth of {where}")
            mask = record.get("mask_path")
        except (KeyError, TypeError, ValueError) as error:
            raise CamerasError(f"depth of {where} must have path and scale_adjustment") from error
        depth = _read_half_floats(path, photos[view]) * np.float32(scale)
        if mask is not None:
            kept = named_photo(data, str(mask), f"the mask of depth of {where}")
            refuse_other_size(photos[view], read_header(photos[view]).size, read_header(kept).size)
            depth[read_depth_map(kept) == 0] = 0
        return torch.from_numpy(depth)

    return load


def _read_half_floats(path: Path, photo: Path) -> np.ndarray:
    """What 16-bit numbers of a picture are as half-precision floats; 0 where that is not finite."""
    refuse_other_size(photo, read_header(photo).size, read_header(path).size)
    stored = read_depth_map(path)
    if stored.dtype.kind not in "iu" or stored.min() < 0 or stored.max() > np.iinfo("u2").max:
        raise ImageError(f"{path} must be a picture of 16 bits, got {stored.dtype}")
    values = stored.astype("u2").view("f2").astype(np.float32)
    return np.where(np.isfinite(values) & (values > 0), values, np.float32(0))


def read_viewpoint(
    viewpoint: dict[str, Any], size: Any, where: str
) -> tuple[Float[Tensor, "3 4"], Float[Tensor, "3 3"]]:
    """``cam_from_world`` and intrinsics; ``size`` is [height, width]."""
    try:
        height, width = (float(side) for side in size)
        turn = [[float(value) for value in row] for row in viewpoint["R"]]
        shift = [float(value) for value in viewpoint["T"]]
        fx, fy = (float(value) for value in viewpoint["focal_length"])
        px, py = (float(value) for value in viewpoint["principal_point"])
        rotation = torch.tensor(turn, dtype=torch.float64).T * _OPENCV_FROM_PYTORCH3D[:, None]
        translation = torch.tensor(shift, dtype=torch.float64) * _OPENCV_FROM_PYTORCH3D
        rows = torch.cat([rotation, translation[:, None]], -1).tolist()
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CamerasError(f"the viewpoint of {where} must have R, T and a focal length") from error
    half = {
        "ndc_isotropic": (min(width, height) / 2,) * 2,
        "ndc_norm_image_bounds": (width / 2, height / 2),
    }.get(str(viewpoint.get("intrinsics_format", "ndc_norm_image_bounds")))
    if half is None:
        raise CamerasError(f"the intrinsics_format of {where} must be ndc_isotropic or its elder")
    matrix = pinhole(
        fx * half[0], fy * half[1], width / 2 - px * half[0], height / 2 - py * half[1]
    )
    return read_pose(rows, f"the viewpoint of {where}"), matrix
