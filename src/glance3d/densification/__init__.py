"""Depth measured again from the photos, once the cameras are known."""
