"""From tokens to geometry: cameras, dense maps, tracks."""
