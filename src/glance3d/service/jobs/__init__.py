"""Jobs on the disk: what was asked for, what became of it, its inputs and its result."""
