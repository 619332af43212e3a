"""Sparse models of COLMAP: cameras, images and points, in its binary files and its text.

A quaternion is stored w x y z; the origin of pixels is the corner of the top-left pixel, as ours.
Source: https://colmap.github.io/format.html. Rigs and frames (COLMAP 3.12 and later) are neither
written nor read: without them readers make a rig and a frame of each camera and image, and earlier
ones know no others.
"""
