"""From the records of each file format to :class:`~glance3d.known_cameras.KnownCameras`."""
