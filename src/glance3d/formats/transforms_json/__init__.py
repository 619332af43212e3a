"""``transforms.json`` of nerfstudio, instant-ngp, NeRF's synthetic scenes and tools like them.

Cameras are ``transform_matrix``: camera-to-world with OpenGL camera axes (x right, y up, z
backward). Intrinsics stand in each frame or at the top for all, as ``fl_x`` and the like, as a
matrix ``K``, or as ``camera_angle_x``, the horizontal field of view in radians. Source:
docs.nerf.studio, "Data conventions".
"""
