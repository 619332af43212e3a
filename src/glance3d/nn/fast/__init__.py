"""Faster paths of network operations, each tried on the machine against its plain twin."""
