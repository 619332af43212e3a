"""``glance3d finetune``, and ``glance3d finetune check``, which comes before it."""

from glance3d.cli.finetune.train import Options, run

__all__ = ["Options", "run"]
