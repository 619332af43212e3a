"""``scene.npz``: a whole ``Reconstruction`` in one file."""
