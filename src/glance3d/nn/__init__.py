"""Plain network parts without any 3-D geometry."""
