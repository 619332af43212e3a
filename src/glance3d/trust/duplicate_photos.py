"""Photos that show the same picture, and photos that show next to nothing, by pixels alone."""

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

_THUMBNAIL = 16
# Grey levels by which thumbnails of one picture differ at most: recompression and resizing.
_THUMBNAIL_DIFFERENCE = 6.0
# So many of the nearest thumbnails are compared pixel by pixel: frames of a video may all be alike.
_NEAREST = 4
# A moved picture differs by as much as a shift of so many pixels, or by more than this noise.
_SAME_SHIFT = 0.25
_SAME_NOISE = 1.0
# Side of a cell in pixels, and the deviation in grey levels that no sensor noise has after pooling.
_CELL = 16
_TEXTURE_DEVIATION = 4.0
# Grey levels up to which what reaches the border is a black background, and how much of a cell must
# be scene to have texture.
_BLACK = 3.0
_MIN_SCENE = 0.25
# A picture is dark if all but a hundredth of it lies below this grey level.
_DARK = 64.0


def to_grey(colors: UInt8[Tensor, "views height width 3"]) -> Float[Tensor, "views rows columns"]:
    """Grey levels at half the resolution, where noise and compression hardly count."""
    return torch.stack([avg_pool2d(view.float().mean(-1)[None, None], 2)[0, 0] for view in colors])


def find_duplicates(grey: Float[Tensor, "views rows columns"]) -> list[int]:
    """For each view the first view that shows the identical picture, itself if none does before it.

    Identical up to recompression, resizing and brightness: what differs is far less than what a
    shift by a pixel would change. Pictures without any texture are like no other.
    """
    small = torch.nn.functional.adaptive_avg_pool2d(grey[:, None], _THUMBNAIL)[:, 0]
    flat = (small - small.mean((1, 2), keepdim=True)).flatten(1)
    distance = torch.cdist(flat, flat, p=1) / flat.shape[1]
    texture = texture_shares(grey)
    labels: list[int] = []
    for view in range(len(grey)):
        earlier = [o for o in range(view) if labels[o] == o and texture[o] > 0 < texture[view]]
        earlier.sort(key=lambda other: float(distance[view, other]))
        near = [o for o in earlier[:_NEAREST] if distance[view, o] < _THUMBNAIL_DIFFERENCE]
        labels.append(next((o for o in near if _is_same(grey[o], grey[view])), view))
    return labels


def _is_same(a: Float[Tensor, "rows columns"], b: Float[Tensor, "rows columns"]) -> bool:
    """Where there is texture: plain parts of a picture are alike however the camera moves."""
    gradient = torch.maximum(_gradient(a), _gradient(b))
    textured = gradient > _TEXTURE_DEVIATION
    if not bool(textured.any()):
        return False
    # Without the mean of either, which brightness changes.
    difference = ((a - a[textured].mean()) - (b - b[textured].mean()))[textured].abs()
    return float(difference.mean()) < _SAME_SHIFT * float(gradient[textured].mean()) + _SAME_NOISE


def _gradient(grey: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
    """By how much each pixel differs from its right and lower neighbour, on average."""
    across = torch.nn.functional.pad(grey.diff(dim=1).abs(), (0, 1))
    down = torch.nn.functional.pad(grey.diff(dim=0).abs(), (0, 0, 0, 1))
    return (across + down) / 2


def texture_shares(grey: Float[Tensor, "views rows columns"]) -> list[float]:
    """For each view the share of its scene where there is something to match, 0 to 1.

    A black background that reaches the border is no scene, and where it ends is no texture.
    """
    cell = max(1, min(_CELL // 2, *grey.shape[1:]))
    scene = (~black_backgrounds(grey)).float()[:, None]
    part = avg_pool2d(scene, cell)
    mean = avg_pool2d(scene * grey[:, None], cell) / part.clamp(min=1e-6)
    variance = avg_pool2d(scene * grey[:, None] ** 2, cell) / part.clamp(min=1e-6) - mean**2
    counts = part >= _MIN_SCENE
    textured = (variance > _TEXTURE_DEVIATION**2) & counts
    return (textured.sum((1, 2, 3)) / counts.sum((1, 2, 3)).clamp(min=1)).tolist()


def black_backgrounds(
    grey: Float[Tensor, "views rows columns"],
) -> Bool[Tensor, "views rows columns"]:
    """What is black and reaches the picture's border through what is black."""
    black = grey <= _BLACK
    reached = black.clone()
    reached[:, 1:-1, 1:-1] = False
    for _ in range(sum(grey.shape[1:])):
        grown = black & (max_pool2d(reached[:, None].float(), 3, 1, 1)[:, 0] > 0)
        if bool((grown == reached).all()):
            break
        reached = grown
    return reached


def are_dark(grey: Float[Tensor, "views rows columns"]) -> list[bool]:
    """Which views show next to nothing that is brighter than a dark grey."""
    highest = torch.stack([view.flatten().quantile(0.99) for view in grey])
    return (highest < _DARK).tolist()
