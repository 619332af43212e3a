"""Which photos see the same thing: likeness of whole photos, and the pairs worth matching."""

from glance3d.retrieval.likeness import photo_likeness
from glance3d.retrieval.neighbours import known_neighbours
from glance3d.retrieval.pairs import choose_pairs
from glance3d.retrieval.pooling import patch_weights, pool_tokens
from glance3d.retrieval.spanning_tree import spanning_tree

__all__ = [
    "choose_pairs",
    "known_neighbours",
    "patch_weights",
    "photo_likeness",
    "pool_tokens",
    "spanning_tree",
]
