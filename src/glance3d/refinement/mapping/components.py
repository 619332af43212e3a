"""Components: groups of photos that points hold together, and that nothing measured connects.

A mapping may give several models, and one that starts from guessed poses may put two scenes into
one model without a single point between them: where they are to each other is then as guessed as
before. Every group is adjusted by itself, in a world of its own.
"""

import copy
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from glance3d.multiview.view_graph import connected_components
from glance3d.refinement.mapping.mapper import MIN_OBSERVATIONS

# As COLMAP asks of a photo by default. Of two photos and fewer points nothing says that they are a
# scene, and not two places that look alike.
_MIN_POINTS = 30


@dataclass(frozen=True)
class Component:
    """A COLMAP reconstruction in a world of its own; ``images`` are those with a pose, by view."""

    reconstruction: Any
    images: dict[int, Any]


def split_models(models: Sequence[Any]) -> list[tuple[int, Any]]:
    """Components without photos in common, each with the number of the model that it is of.

    That of the first model comes first, then those that hold most photos; a photo of several
    belongs to the one that comes first. A model of one component is itself, and single photos that
    hardly any point holds stay where they are.
    """
    groups = [(i, group) for i, model in enumerate(models) for group in image_groups(model)]
    others = sorted(groups[1:], key=lambda own: -_num_supported(models[own[0]], own[1]))
    parts: list[tuple[int, Any]] = []
    taken: set[int] = set()
    for index, group in (*groups[:1], *others):
        model = models[index]
        is_whole = not group & taken and len(group) == model.num_reg_images()
        part = model if is_whole else only_images(model, group - taken)
        if not parts or _is_scene(part):
            parts.append((index, part))
            taken |= group
    return parts


def image_groups(model: Any) -> list[set[int]]:
    """Images with a pose that points hold together, the largest group first.

    Two groups are one if so many points are seen from both as hold a photo. Single images stay with
    the largest group.
    """
    images = set(model.reg_image_ids())
    tracks = [
        frozenset(element.image_id for element in point.track.elements) & images
        for point in model.points3D.values()
    ]
    shared = Counter(pair for track in tracks for pair in combinations(sorted(track), 2))
    groups = connected_components([pair for pair, n in shared.items() if n >= MIN_OBSERVATIONS])
    groups += [{image} for image in images - set().union(*groups)]
    groups = _merged(groups, tracks)
    largest = max(groups, key=len, default=set())
    several = [group for group in groups if len(group) > 1 and group is not largest]
    first = images - set().union(*several)
    return [first, *sorted(several, key=lambda group: (-len(group), min(group)))]


def _merged(groups: list[set[int]], tracks: Collection[frozenset[int]]) -> list[set[int]]:
    """Groups that enough points connect, put together until no two are left."""
    while True:
        group_of = {image: index for index, group in enumerate(groups) for image in group}
        between: Counter[tuple[int, int]] = Counter()
        for track in tracks:
            seen = sorted({group_of[image] for image in track})
            between.update(combinations(seen, 2))
        linked = connected_components([g for g, n in between.items() if n >= MIN_OBSERVATIONS])
        if not linked:
            return groups
        alone = set(range(len(groups))) - set().union(*linked)
        indices = [*linked, *({index} for index in sorted(alone))]
        groups = [set().union(*(groups[index] for index in own)) for own in indices]


def only_images(model: Any, images: Collection[int]) -> Any:
    """A copy of the model in which no other image has a pose."""
    part = copy.deepcopy(model)
    for image_id in sorted(set(model.reg_image_ids()) - set(images)):
        part.deregister_frame(part.image(image_id).frame_id)
    return part


def _num_supported(model: Any, images: Collection[int]) -> int:
    return sum(model.image(image_id).num_points3D >= MIN_OBSERVATIONS for image_id in images)


def _is_scene(part: Any) -> bool:
    return part.num_reg_images() >= 2 and part.num_points3D() >= _MIN_POINTS
