"""Cameras that somebody already knows, read from the files in which people keep them."""
