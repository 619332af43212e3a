"""Making what jobs ask for, each in a process of its own."""
