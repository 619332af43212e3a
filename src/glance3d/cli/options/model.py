"""Which network, from which weights, and where it runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    from glance3d.models import ModelSource


@dataclass(frozen=True)
class _NetworkFlags:
    """Which network, and where it runs; who names it says what it is by default."""

    name: str | None = None
    weights: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """A .safetensors or .pt file to use instead of the model's own weights."""
    device: Annotated[str, tyro.conf.arg(metavar="DEVICE")] = "auto"
    """auto, cpu, cuda, cuda:1 ..."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the large matrix products; cameras and geometry are always float32."""


@dataclass(frozen=True)
class ModelFlags(_NetworkFlags):
    """Which network, and where it runs."""

    name: Annotated[str, tyro.conf.arg(name="model", metavar="NAME|FILE")] = "glance-small"
    """A known model (glance3d models lists them), or a weights file written by glance3d train."""

    def source(self) -> "ModelSource":
        """The same for the library; refuses what cannot be loaded."""
        from glance3d.models import ModelSource

        return ModelSource(self.name, self.weights, self.device, self.precision)


@dataclass(frozen=True)
class SceneModelFlags(_NetworkFlags):
    """Which network, and where it runs."""

    name: Annotated[
        str | None,
        tyro.conf.arg(
            name="model", metavar="NAME|FILE", help_behavior_hint="(default: the scene's own)"
        ),
    ] = None
    """A known model (glance3d models lists them), or a weights file written by glance3d train."""

    def source(self, scene_model: str) -> "ModelSource":
        """The same for the library, where a scene names the model that it was made with."""
        from glance3d.models import ModelSource
        from glance3d.models.zoo import known_name

        name = known_name(scene_model) if self.name is None else self.name
        return ModelSource(name, self.weights, self.device, self.precision)
