"""Which pairs of photos are chosen, and that they connect all photos."""

import pytest
import torch

from glance3d.multiview.view_graph import connected_components
from glance3d.retrieval import choose_pairs, photo_likeness, spanning_tree


def walk(num_views: int) -> torch.Tensor:
    """Descriptors of photos along a closed walk: neighbours are alike."""
    angle = torch.arange(num_views) * 2 * torch.pi / num_views
    return torch.nn.functional.normalize(
        torch.stack([angle.cos(), angle.sin(), torch.full_like(angle, 3.0)], -1), dim=-1
    )


def test_likeness_has_no_part_in_what_all_photos_share() -> None:
    likeness = photo_likeness(walk(8))
    assert torch.allclose(likeness, likeness.T)
    assert torch.allclose(likeness.diagonal(), torch.ones(8), atol=1e-5)
    assert likeness[0, 4] < -0.9  # before whitening their cosine is 0.8


def test_photos_that_are_all_alike_are_not_a_number() -> None:
    assert photo_likeness(torch.ones(3, 4) / 2).isfinite().all()
    assert photo_likeness(torch.ones(1, 4) / 2).shape == (1, 1)


def test_the_most_alike_are_chosen_in_any_order_of_photos() -> None:
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    pairs = choose_pairs(photo_likeness(walk(20)[order]), per_view=2)
    place = order.tolist()
    steps = {min(abs(place[a] - place[b]), 20 - abs(place[a] - place[b])) for a, b in pairs}
    assert steps == {1}
    assert len(pairs) == 20


def test_pairs_connect_groups_that_share_little() -> None:
    likeness = torch.block_diag(torch.ones(6, 6), torch.ones(6, 6))
    likeness[2, 9] = likeness[9, 2] = 0.3
    pairs = choose_pairs(likeness, per_view=3)
    assert (2, 9) in pairs
    assert connected_components(pairs) == [set(range(12))]


@pytest.mark.parametrize("num_views", [25, 100, 400])
def test_pairs_grow_with_the_photos(num_views: int) -> None:
    noise = torch.randn(num_views, 16, generator=torch.Generator().manual_seed(1))
    pairs = choose_pairs(photo_likeness(noise), per_view=5)
    assert 2.5 * num_views <= len(pairs) <= 6 * num_views


def test_further_pairs_are_tried_as_well() -> None:
    assert choose_pairs(torch.eye(3), per_view=0, also=[(2, 1), (1, 1)]) == [(0, 1), (0, 2), (1, 2)]
    assert choose_pairs(torch.eye(1), per_view=4) == []


def test_the_spanning_tree_is_the_heaviest() -> None:
    likeness = torch.tensor(
        [[1.0, 0.1, 0.5, 0], [0.1, 1, 0.4, 0], [0.5, 0.4, 1, 0.2], [0, 0, 0.2, 1]]
    )
    tree = spanning_tree(likeness)
    assert [(a, b) for a, b, _ in tree] == [(0, 2), (2, 1), (2, 3)]
    assert [weight for *_, weight in tree] == pytest.approx([0.5, 0.4, 0.2])
