"""Geometry as arithmetic: tensors in, tensors out, any leading dimensions.

Convention everywhere: OpenCV camera axes (x right, y down, z forward); a transform is named
``a_from_b``; the centre of the top-left pixel is (0.5, 0.5) unless ``pixel_origin`` says otherwise;
``depth`` is z-depth.
"""
