"""The batches of a training run."""
