"""A training run on disk: folder, checkpoints, log, stopping and resuming."""
