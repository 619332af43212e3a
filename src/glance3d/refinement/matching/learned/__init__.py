"""Matches by a network's descriptors: pairs chosen by likeness, places found on the photos."""
