"""What comes into the network, checked once, with one clear sentence for each mistake.

Shapes are always looked at, values only where they are at hand, on the host: to look at them on a
GPU is to wait for it, and nothing inside the forward does. Who moves photos to a GPU checks first.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from glance3d.errors import InputError
from glance3d.models.config import OUTPUTS, Output

LARGEST_SENSIBLE_VALUE = 16.0  # beyond this the pixels are surely 0 to 255


def check_outputs(
    outputs: Sequence[str] | None, available: tuple[Output, ...], has_queries: bool
) -> tuple[Output, ...]:
    """The outputs to compute, in the table's order."""
    if outputs is None:
        return tuple(o for o in available if o != "tracks" or has_queries)
    if isinstance(outputs, str):
        outputs = (outputs,)
    for output in outputs:
        if output not in OUTPUTS:
            raise InputError(f"unknown output {output!r}: choose from {', '.join(OUTPUTS)}")
        if output not in available:
            raise InputError(
                f"this model has no {output!r} head; it can predict {', '.join(available)}"
            )
    if not outputs:
        raise InputError(f"got no outputs: choose from {', '.join(available)}")
    if "tracks" in outputs and not has_queries:
        raise InputError("got outputs with 'tracks' without query_points: pass [N,2] pixels (x, y)")
    return tuple(output for output in OUTPUTS if output in outputs)


def check_images(images: Tensor, patch_size: int) -> Tensor:
    """Images as ``[B,S,3,H,W]`` float."""
    if images.ndim == 4:
        images = images.unsqueeze(0)
    shape = tuple(images.shape)
    if images.ndim != 5:
        raise InputError(f"images must be [S,3,H,W] or [B,S,3,H,W], got shape {shape}")
    if images.numel() == 0:
        raise InputError(f"images must hold at least one view and pixel, got shape {shape}")
    if shape[2] != 3:
        raise InputError(f"images must have 3 channels (RGB), got {shape[2]} in shape {shape}")
    if not images.is_floating_point():
        raise InputError(f"images must be float RGB in [0, 1], got {images.dtype}: divide by 255")
    height, width = shape[-2:]
    if height % patch_size or width % patch_size:
        near = [max(1, round(side / patch_size)) * patch_size for side in (width, height)]
        raise InputError(
            f"image sides must be multiples of the patch, {patch_size}, got {width} x {height} "
            f"(nearest: {near[0]} x {near[1]})"
        )
    if images.device.type == "cpu":
        check_pixel_values(images)
    return images


def check_pixel_values(images: Tensor) -> None:
    """Refuse what cannot be RGB in [0, 1]; waits for the device that the images are on."""
    low, high = images.detach().aminmax()
    if not bool(torch.isfinite(low) & torch.isfinite(high)):
        raise InputError("images hold NaN or infinite values; expected RGB in [0, 1]")
    if float(high) > LARGEST_SENSIBLE_VALUE:
        raise InputError(f"images must be RGB in [0, 1], got values up to {float(high):g}")


def check_focal_lengths(
    focal_lengths: Tensor | None, batch_views: tuple[int, ...], device: torch.device
) -> Tensor | None:
    """Focal lengths, if any are known, as ``[B,S]`` float on the device."""
    if focal_lengths is None:
        return None
    if focal_lengths.ndim == 1:
        focal_lengths = focal_lengths.unsqueeze(0)
    shape, wanted = tuple(focal_lengths.shape), tuple(batch_views)
    if shape != wanted:
        raise InputError(f"focal_lengths must be [B,S], one a view: {wanted}, got {shape}")
    return focal_lengths.to(device, torch.float32, non_blocking=True)


def check_cameras(cameras: tuple[Tensor, Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
    """Given cameras as ``[B,S,3,4]`` and ``[B,S,3,3]`` float on the images' device."""
    checked = []
    for name, values, shape in zip(
        ("cam_from_world", "intrinsics"), cameras, ((3, 4), (3, 3)), strict=True
    ):
        batched = values[None] if values.ndim == 3 else values
        wanted = (*images.shape[:2], *shape)
        if tuple(batched.shape) != wanted:
            raise InputError(
                f"{name} of given cameras must be [B,S,{shape[0]},{shape[1]}], one a view: "
                f"{wanted}, got {tuple(values.shape)}"
            )
        checked.append(batched.to(images.device, torch.float32, non_blocking=True))
    return checked[0], checked[1]


def check_query_points(query_points: Tensor, images: Tensor) -> Tensor:
    """Query points as ``[B,N,2]`` float on the images' device; those of the host are inside."""
    if query_points.ndim == 2:
        query_points = query_points.unsqueeze(0)
    shape, num_scenes = tuple(query_points.shape), len(images)
    if query_points.ndim != 3 or shape[-1] != 2:
        raise InputError(f"query_points must be [N,2] or [B,N,2] pixels (x, y), got {shape}")
    if shape[0] != num_scenes:
        raise InputError(f"query_points are for {shape[0]} scenes, images for {num_scenes}")
    if shape[1] == 0:
        raise InputError("query_points are empty; leave them out or pass at least one")
    query_points = query_points.to(torch.float32)
    if query_points.device.type == "cpu":
        _refuse_outside(query_points, (images.shape[-1], images.shape[-2]))
    return query_points.to(images.device, non_blocking=True)


def _refuse_outside(query_points: Tensor, size: tuple[int, int]) -> None:
    """``size`` is (width, height)."""
    inside = ((query_points >= 0) & (query_points <= query_points.new_tensor(size))).all(-1)
    if not bool(inside.all()):
        x, y = query_points[~inside][0].tolist()
        raise InputError(
            f"query point ({x:g}, {y:g}) lies outside the first view's {size[0]} x {size[1]} pixels"
        )
