"""What surfaces of drawn scenes look like, and what a camera makes of it."""
