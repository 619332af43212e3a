"""Corners, spread over the photo."""

import torch
import torch.nn.functional as F

from glance3d.tracking.select_queries import corner_score, select_queries


def image_of_squares() -> torch.Tensor:
    """White squares on black, whose corners are known."""
    image = torch.zeros(3, 64, 96)
    for y in (8, 40):
        for x in (10, 42, 74):
            image[:, y : y + 14, x : x + 14] = 1
    return image


def noise(seed: int = 0) -> torch.Tensor:
    return torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(seed))


def test_the_corners_of_squares_are_found():
    content = torch.ones(64, 96, dtype=torch.bool)
    selected = select_queries(image_of_squares(), content, 24)
    corners = torch.tensor([[x + a, y + b] for y in (8, 40) for x in (10, 42, 74)
                            for a in (0, 14) for b in (0, 14)]).float()  # fmt: skip
    nearest = torch.cdist(corners, selected).min(1).values
    assert nearest.max() < 2.5


def test_edges_are_no_corners():
    image = torch.zeros(3, 32, 32)
    image[:, :, 16:] = 1
    score = corner_score(image)
    assert score.abs().max() < 1e-6
    assert corner_score(image_of_squares()).max() > 1e-2


def test_the_score_is_the_smaller_eigenvalue():
    image = noise()
    grey = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
    padded = F.pad(grey[None], (1, 1, 1, 1), mode="replicate")[0]
    y, x = 30, 50
    steps = torch.arange(-4, 5)
    weights = torch.exp(-(steps[:, None] ** 2 + steps**2) / (2 * 1.5**2))
    weights = weights / weights.sum()
    tensor = torch.zeros(2, 2)
    for i, dy in enumerate(steps.tolist()):
        for j, dx in enumerate(steps.tolist()):
            row, column = y + dy + 1, x + dx + 1
            slope = torch.stack(
                [
                    padded[row, column + 1] - padded[row, column - 1],
                    padded[row + 1, column] - padded[row - 1, column],
                ]
            )
            tensor += weights[i, j] * torch.outer(slope / 2, slope / 2)
    assert torch.isclose(corner_score(image)[y, x], torch.linalg.eigvalsh(tensor)[0], rtol=1e-4)


def test_queries_are_spread_even_where_texture_is_not():
    image = noise() * 0.05
    image[:, :, :24] = noise(1)[:, :, :24]  # a quarter is far richer
    selected = select_queries(image, torch.ones(64, 96, dtype=torch.bool), 60)
    assert len(selected) == 60
    share = (selected[:, 0] < 24).float().mean()
    assert 0.15 < share < 0.5  # all of them, were they not spread
    assert torch.cdist(selected, selected).fill_diagonal_(9).min() > 1.4  # no two are neighbours


def test_padding_and_its_border_give_none():
    content = torch.zeros(64, 96, dtype=torch.bool)
    content[10:50, 20:70] = True
    selected = select_queries(noise(), content, 500)
    assert selected[:, 0].min() >= 23
    assert selected[:, 0].max() <= 67
    assert selected[:, 1].min() >= 13
    assert selected[:, 1].max() <= 47


def test_confident_places_are_preferred():
    confidence = torch.ones(64, 96)
    confidence[:, 48:] = 5.0
    content = torch.ones(64, 96, dtype=torch.bool)
    # One square over the whole image: then nothing is spread, and the best place wins.
    mirrored = torch.cat([noise()[:, :, :48], noise()[:, :, :48]], -1)
    assert select_queries(mirrored, content, 1, confidence)[0, 0] > 48


def test_the_same_seed_gives_the_same_and_flat_images_give_some():
    content = torch.ones(64, 96, dtype=torch.bool)
    flat = torch.full((3, 64, 96), 0.5)
    first, again, other = (select_queries(flat, content, 40, seed=s) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len(first) == 40
