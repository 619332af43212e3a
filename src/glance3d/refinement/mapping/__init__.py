"""From matches to measured poses: attempts, mapping, bundle adjustment."""
