"""The losses of training and their targets."""
