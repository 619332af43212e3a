"""From measured poses back to a scene: all cameras, points, and depth that fits them."""
