"""A scene as a COLMAP model, and the check of what was written."""
