"""A training run on disk: folder, checkpoints, log, and how it stops and goes on."""
