"""Sparse models of COLMAP: cameras, images and points, binary and text."""
