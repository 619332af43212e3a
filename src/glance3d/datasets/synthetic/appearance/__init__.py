"""The appearance of synthetic surfaces, and a simulated camera."""
