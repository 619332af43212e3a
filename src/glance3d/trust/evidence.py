"""What registration knows of each view, gathered for its verdict."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from glance3d.multiview.pure_rotation import is_pure_rotation
from glance3d.multiview.view_graph import VerifiedPair, ViewGraph, view_epipolar_errors
from glance3d.trust.duplicate_photos import are_dark, find_duplicates, texture_shares, to_grey
from glance3d.types import Cameras, Reconstruction


@dataclass(frozen=True)
class ViewEvidence:
    """What is known of one view besides the scene itself.

    ``registered_by`` as in ``ViewTrust``. ``num_matches`` are verified matches with all other
    views together, in ``num_pairs`` pairs; ``flat_share`` is the share of these pairs without
    parallax: a homography explains their matches. ``pure_rotation_share`` counts those that a
    rotation of the camera alone explains. Epipolar errors are medians in original pixels under the
    cameras before and after refinement, None without matches. ``contradicted``: a pose that was
    given for it is not what the photos show. ``same_as`` is another view with the identical
    picture, and ``matches_others`` says whether a view with another picture matches it. ``texture``
    is the share of the picture with anything to match, None if nobody looked. ``is_dark``: hardly
    any of it is brighter than a dark grey. ``focal_doubt`` says what speaks against its focal
    length. ``by_network``: only matches of the network's descriptors connect it to most of the
    others.
    """

    registered_by: str = "network"
    num_matches: int = 0
    num_pairs: int = 0
    flat_share: float = 0.0
    pure_rotation_share: float = 0.0
    epipolar_before: float | None = None
    epipolar_after: float | None = None
    contradicted: bool = False
    same_as: int | None = None
    matches_others: bool = False
    texture: float | None = None
    is_dark: bool = False
    focal_doubt: str | None = None
    by_network: bool = False


def gather_evidence(
    scene: Reconstruction,
    view_graph: ViewGraph,
    registered_by: Sequence[str],
    *,
    before: Cameras | None = None,
    contradicted: Collection[int] = (),
    focal_doubts: Sequence[str | None] | None = None,
    by_network: Collection[int] = (),
) -> tuple[ViewEvidence, ...]:
    """Everything that a verdict rests on besides tracks and depth, for each view.

    ``scene`` is the refined one, ``before`` its cameras before refinement; ``contradicted`` are
    views whose given poses the photos contradict, ``focal_doubts`` those of
    :func:`glance3d.refinement.assembly.focal_lengths.focal_doubts`, ``by_network`` views that the
    network's matches alone connect.
    """
    grey = to_grey(scene.colors)
    same, texture, dark = find_duplicates(grey), texture_shares(grey), are_dark(grey)
    # Views of one picture, by the first of them.
    alike = {first: [v for v, s in enumerate(same) if s == first] for first in same}
    cameras = [scene.cameras] if before is None else [scene.cameras, before]
    # Flat pairs alone can be rotations; the test tries many focal lengths, once a pair.
    is_rotation = {
        id(pair): pair.flat and is_pure_rotation(pair, *cameras) for pair in view_graph.pairs
    }
    errors_before = view_epipolar_errors(view_graph, scene.cameras if before is None else before)
    errors_after = view_epipolar_errors(view_graph, scene.cameras)
    gathered = []
    for view in range(scene.num_views):
        counted = _count_pairs(list(view_graph.pairs_of(view)), is_rotation, same)
        gathered.append(
            replace(
                counted,
                registered_by=registered_by[view],
                epipolar_before=_finite(errors_before[view]) if before is not None else None,
                epipolar_after=_finite(errors_after[view]),
                contradicted=view in contradicted,
                same_as=next((v for v in alike[same[view]] if v != view), None),
                texture=texture[view],
                is_dark=dark[view],
                focal_doubt=None if focal_doubts is None else focal_doubts[view],
                by_network=view in by_network,
            )
        )
    return tuple(gathered)


def _count_pairs(
    pairs: Sequence[VerifiedPair], is_rotation: Mapping[int, bool], same: Sequence[int]
) -> ViewEvidence:
    """What the pairs of one view say; ``is_rotation`` by their ``id``, ``same`` as duplicates."""
    count = max(len(pairs), 1)
    return ViewEvidence(
        num_matches=sum(map(len, pairs)),
        num_pairs=len(pairs),
        flat_share=sum(pair.flat for pair in pairs) / count,
        pure_rotation_share=sum(is_rotation[id(pair)] for pair in pairs) / count,
        matches_others=any(same[pair.first] != same[pair.second] for pair in pairs),
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
