"""Which photos are trained on, and which ones say whether it helped."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.finetuning.data.overlap import most_views, view_overlap
from glance3d.photo_sets import PhotoSet

#: The share of sets, or of one set's photos, that is held back.
HELD_BACK = 0.2
_FEWEST_VIEWS = 6  # of a set that is cut in two


@dataclass(frozen=True)
class SetPart:
    """Some photos of a set, by their numbers, and what all of its photos share."""

    photos: PhotoSet
    views: tuple[int, ...]
    overlap: Float[Tensor, "views views"]

    @classmethod
    def whole(cls, photos: PhotoSet) -> "SetPart":
        """All of its photos."""
        return cls(photos, tuple(range(len(photos))), view_overlap(photos))

    def largest_group(self, wanted: int) -> int:
        """See :func:`.overlap.most_views`."""
        return most_views(self.overlap, list(self.views), wanted, self.photos.name)


@dataclass(frozen=True)
class Split:
    """``how`` says in words what was held back."""

    training: tuple[SetPart, ...]
    validation: tuple[SetPart, ...]
    how: str


def split_sets(
    sets: Sequence[PhotoSet], validation: Sequence[PhotoSet] = (), seed: int = 0
) -> Split:
    """Hold sets back; of one alone its last photos, which are of the same place.

    Raises:
        InputError: nothing can be held back, or a set is in both.
    """
    both = {photos.image_paths[0].parent for photos in sets} & {
        photos.image_paths[0].parent for photos in validation
    }
    if both:
        raise InputError(
            f"validation must be on other photos than training, got {sorted(map(str, both))[0]} in "
            "both: name another set"
        )
    parts = tuple(map(SetPart.whole, sets))
    if validation:
        held = tuple(map(SetPart.whole, validation))
        return Split(parts, held, f"validated on {_names(held)}, as asked for")
    if len(parts) > 1:
        count = max(1, round(HELD_BACK * len(parts)))
        order = np.random.default_rng(seed).permutation(len(parts)).tolist()
        held = tuple(parts[index] for index in sorted(order[:count]))
        rest = tuple(parts[index] for index in sorted(order[count:]))
        return Split(
            rest, held, f"split by scene: validated on {_names(held)}, trained on no photo of it"
        )
    (part,) = parts
    if len(part.views) < _FEWEST_VIEWS:
        raise InputError(
            f"{part.photos.name} must have at least {_FEWEST_VIEWS} photos to be split, got "
            f"{len(part.views)}: name another set to validate on (--validation DIR)"
        )
    held_back = max(2, round(HELD_BACK * len(part.views)))
    first, last = part.views[:-held_back], part.views[-held_back:]
    how = (
        f"split by views, since there is one set only: validated on its last {held_back} photos, "
        "which show the same place, so that the numbers say little about others (--validation DIR)"
    )
    return Split(
        (SetPart(part.photos, first, part.overlap),),
        (SetPart(part.photos, last, part.overlap),),
        how,
    )


def _names(parts: Sequence[SetPart]) -> str:
    return ", ".join(part.photos.name for part in parts)
