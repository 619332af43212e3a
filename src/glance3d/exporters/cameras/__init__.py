"""The cameras of a scene: cameras.json, transforms.json, trajectories."""
