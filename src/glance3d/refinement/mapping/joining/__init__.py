"""Models of one scene joined: by points that both have, or by pairs of photos across."""
