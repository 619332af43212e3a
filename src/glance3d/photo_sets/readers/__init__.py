"""One module a format: from a folder to a :class:`~glance3d.photo_sets.PhotoSet`."""
