"""Loops: windows far apart that may see one place, looked at by the network, believed if proven."""
