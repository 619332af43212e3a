"""Where the batches of a training run come from."""
