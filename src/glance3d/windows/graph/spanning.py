"""What edges connect: components of windows, and a first frame for each along the surest tree."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

from glance3d.geometry.similarity import Similarity, identity_similarity
from glance3d.windows.graph.edges import WindowEdge
from glance3d.windows.graph.residuals import Frames


def component_of_windows(num_windows: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """The number of the component that holds each window, in order of their first windows."""
    graph = sparse.coo_matrix(
        (np.ones(len(pairs)), np.array(pairs, dtype=int).reshape(-1, 2).T), (num_windows,) * 2
    )
    labels = connected_components(graph, directed=False)[1].tolist()
    numbers: dict[int, int] = {}
    return [numbers.setdefault(label, len(numbers)) for label in labels]


def component_roots(num_windows: int, edges: Sequence[WindowEdge]) -> list[int]:
    """The first window of every component."""
    components = component_of_windows(num_windows, [(edge.first, edge.second) for edge in edges])
    return [components.index(number) for number in range(max(components) + 1)]


def chain_frames(num_windows: int, edges: Sequence[WindowEdge], roots: Sequence[int]) -> Frames:
    """Every window's frame along the tree of the surest edges that share views, then loops."""
    worlds: list[Similarity | None] = [None] * num_windows
    by_pair = {(edge.first, edge.second): edge for edge in edges}
    ends = np.array(list(by_pair), dtype=int).reshape(-1, 2).T
    doubts = [_doubt(edge) for edge in by_pair.values()]
    graph = sparse.coo_matrix((doubts, ends), (num_windows,) * 2)
    tree = minimum_spanning_tree(graph.tocsr())
    for root in roots:
        worlds[root] = identity_similarity()
        order, before = breadth_first_order(tree, root, directed=False)
        for window in order[1:].tolist():
            parent = int(before[window])
            world = worlds[parent]
            assert world is not None
            edge = by_pair.get((parent, window))
            step = (
                edge.first_from_second
                if edge is not None
                else by_pair[window, parent].first_from_second.inverse()
            )
            worlds[window] = world.compose(step)
    return Frames.of([world for world in worlds if world is not None])


def _doubt(edge: WindowEdge) -> float:
    """Positive, larger for what is less sure."""
    return sum(edge.noise.as_tuple()) + (1e3 if edge.loop else 0.0)
