"""Windows as a graph: measured edges, one pose graph of similarities, loops that are verified."""
