"""How the views of one forward pass are shared by the ranks of a group."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from glance3d.distributed.group import Group, current_group


@dataclass(frozen=True)
class ViewShare:
    """Which of a scene's views are this rank's: ``own``, a run; the earlier ranks have one more.

    ``counts`` are the ranks' numbers of views. A rank for which none is left looks at the last view
    again, so that it takes every step that the others take, and what it says does not count.
    """

    group: Group
    num_views: int

    @classmethod
    def whole(cls, num_views: int) -> "ViewShare":
        """All views in one process."""
        return cls(Group(), num_views)

    @property
    def is_whole(self) -> bool:
        """Whether one process sees all views: then nothing is said to anybody."""
        return self.group.size == 1

    @property
    def counts(self) -> tuple[int, ...]:
        """Views of each rank."""
        size = self.group.size
        return tuple(self.num_views // size + (r < self.num_views % size) for r in range(size))

    @property
    def own(self) -> slice:
        """This rank's views, at least one."""
        start = min(sum(self.counts[: self.group.rank]), self.num_views - 1)
        return slice(start, start + max(1, self.counts[self.group.rank]))

    def gathered(self, values: Tensor, dim: int = 1) -> Tensor:
        """What is known of this rank's views, along ``dim``, of all of them."""
        return values if self.is_whole else self.group.gathered(values, self.counts, dim)

    def from_first(self, values: Tensor) -> Tensor:
        """Rank 0's numbers in every rank, so that no rounding tells ranks apart."""
        return values if self.is_whole else self.group.from_first(values)

    def across(self, tokens: int | Sequence[int]) -> "KeysAcross | None":
        """Keys and values of all ranks, so many of each view, or of each rank; None if whole."""
        if self.is_whole:
            return None
        each = tuple(n * tokens for n in self.counts) if isinstance(tokens, int) else tuple(tokens)
        return KeysAcross(self.group, each, self.group.keys == "ring")


@dataclass(frozen=True)
class KeysAcross:
    """Keys and values of all ranks, of which each has so many: ``counts``.

    ``by_ring``: one rank's at a time, in less memory; else all at once.
    """

    group: Group
    counts: tuple[int, ...]
    by_ring: bool

    def gathered(self, keys: Tensor) -> Tensor:
        """All ranks' keys (or values), along axis 1."""
        return self.group.gathered(keys, self.counts)

    def rotated(self, keys: Tensor, values: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Each rank's keys and values in turn, along axis 1."""
        return self.group.rotated((keys, values), self.counts)


def share_views(num_scenes: int, num_views: int, *, only_predicts: bool) -> ViewShare:
    """The share of the present group: of one scene that is predicted. All else is whole."""
    shares = num_scenes == 1 and only_predicts
    return ViewShare(current_group(), num_views) if shares else ViewShare.whole(num_views)
