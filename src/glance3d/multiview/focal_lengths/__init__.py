"""Focal lengths from matches: what is tried, and which cameras have their own."""
