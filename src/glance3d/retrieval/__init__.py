"""Which photos see the same thing: likeness of whole photos, and the pairs worth matching."""

from glance3d.retrieval.likeness import photo_likeness
from glance3d.retrieval.pairs import choose_pairs
from glance3d.retrieval.pooling import cell_weights, pool_cells
from glance3d.retrieval.spanning_tree import spanning_tree

__all__ = ["cell_weights", "choose_pairs", "photo_likeness", "pool_cells", "spanning_tree"]
