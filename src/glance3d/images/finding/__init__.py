"""Which files are the photos of a scene, now and when the scene is opened again."""
