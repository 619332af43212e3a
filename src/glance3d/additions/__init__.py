"""New photos for a scene that is already there."""
