"""Depth Anything 3: the network, and the cameras that go into it and come out of it."""
