"""One photo, or what its file says of it, from the bytes of any picture format."""
