"""Query points that can be tracked well: distinct corners, spread over the photo."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

_SMOOTHING = 1.5  # pixels, of the structure tensor
_MARGIN = 3  # pixels to the photo's border, so that a corner's neighbourhood is visible
_GREY = (0.299, 0.587, 0.114)


def corner_score(image: Float[Tensor, "3 height width"]) -> Float[Tensor, "height width"]:
    """How much of a corner each pixel is: the smaller eigenvalue of the structure tensor.

    Shi and Tomasi, "Good features to track" (1994): large where the picture changes in every
    direction, so that a shift in any of them would be noticed.
    """
    grey = torch.einsum("chw,c->hw", image, image.new_tensor(_GREY))
    padded = F.pad(grey[None], (1, 1, 1, 1), mode="replicate")[0]
    dx = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2
    dy = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    xx, yy, xy = _smooth(torch.stack([dx * dx, dy * dy, dx * dy]))
    return (xx + yy) / 2 - ((xx - yy).square() / 4 + xy.square()).sqrt()


def _smooth(maps: Float[Tensor, "maps height width"]) -> Float[Tensor, "maps height width"]:
    radius = round(3 * _SMOOTHING)
    steps = torch.arange(-radius, radius + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.exp(-steps.square() / (2 * _SMOOTHING**2))
    kernel = kernel / kernel.sum()
    padded = F.pad(maps[:, None], (radius,) * 4, mode="replicate")
    rows = F.conv2d(padded, kernel.view(1, 1, -1, 1))
    return F.conv2d(rows, kernel.view(1, 1, 1, -1))[:, 0]


def select_queries(
    image: Float[Tensor, "3 height width"],
    content: Bool[Tensor, "height width"],
    count: int,
    confidence: Float[Tensor, "height width"] | None = None,
    seed: int = 0,
) -> Float[Tensor, "queries 2"]:
    """At most ``count`` pixels (x, y) of an image, centres at one half, spread over ``content``.

    Candidates are the pixels whose :func:`corner_score` is the greatest among their neighbours, and
    not near the border of the content. The image is cut into about ``count`` squares; first every
    square gives its best candidate, then its second, and so on. A ``confidence`` counts by its rank
    in the image, as a factor from 0.5 to 1. ``seed`` decides between equals.
    """
    score = corner_score(image)
    if confidence is not None:
        rank = confidence.flatten().argsort().argsort().view_as(score)
        score = score * (0.5 + 0.5 * rank / max(rank.numel() - 1, 1))
    generator = torch.Generator().manual_seed(seed)
    score = score + 1e-12 * torch.rand(score.shape, generator=generator).to(score.device)
    inner = -F.max_pool2d(-F.pad(content.float()[None], (_MARGIN,) * 4), 2 * _MARGIN + 1, stride=1)
    peak = score == F.max_pool2d(score[None], 3, stride=1, padding=1)[0]
    y, x = (peak & (inner[0] > 0)).nonzero().unbind(-1)
    side = max(1.0, (content.sum().item() / max(count, 1)) ** 0.5)
    square = (y / side).long() * (1 + int(content.shape[1] / side)) + (x / side).long()
    order = _in_rounds(square, score[y, x])[:count]
    return torch.stack([x[order], y[order]], -1) + 0.5


def _in_rounds(
    square: Int[Tensor, " candidates"], score: Float[Tensor, " candidates"]
) -> Int[Tensor, " candidates"]:
    """Candidates in order: each square's best ones first, then the second best, by score each."""
    by_score = score.argsort(descending=True, stable=True)
    grouped = by_score[square[by_score].argsort(stable=True)]
    counts = square[grouped].unique_consecutive(return_counts=True)[1]
    starts = (counts.cumsum(0) - counts).repeat_interleave(counts)
    place = torch.arange(len(grouped), device=square.device) - starts
    # Within a round the better come first: a limit then leaves out the weakest of the last round.
    by_score_again = score[grouped].argsort(descending=True, stable=True)
    return grouped[by_score_again[place[by_score_again].argsort(stable=True)]]
