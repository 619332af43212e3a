"""Track pixels of the reference photo through the other views.

    python examples/05_follow_points.py

Query points and tracks are pixels (x, y) of the original, upright photos. Visibility and confidence
are between 0 and 1. They rank tracks; the right threshold depends on the model and on the use.
"""

from pathlib import Path

import glance3d
from glance3d import Tracks

PHOTOS = Path(__file__).parent / "data" / "motorcycle" / "images"
QUERIES = [(250.0, 220.0), (420.5, 300.5), (600.0, 120.0)]


def main(model: str = "glance-small") -> Tracks:
    """Print where each query point is in the other views."""
    scene = glance3d.reconstruct(PHOTOS, model=model, query_points=QUERIES)
    tracks = scene.tracks
    assert tracks is not None  # query points ask for tracks
    for index, (x, y) in enumerate(QUERIES):
        print(f"({x:.1f}, {y:.1f}) in {scene.names[0]}")
        for view in range(1, scene.num_views):
            x, y = tracks.positions[view, index].tolist()
            visibility = tracks.visibility[view, index]
            print(f"   ({x:.1f}, {y:.1f}) in {scene.names[view]}, visibility {visibility:.2f}")
    return tracks


if __name__ == "__main__":
    main()
