"""Places of tracked points made to agree with each other, in sub-pixels, on the photos."""
