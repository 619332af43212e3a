"""Point clouds of a scene: which points are written, and the files that hold them."""
