"""Decode one photo, or read its metadata, from any image format."""
