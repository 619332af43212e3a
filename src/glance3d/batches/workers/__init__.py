"""Workers: what makes scenes, in a process beside this one or on a Ray cluster."""
