"""Which network, from which weights, and where it runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from glance3d.cli.options.flag import Flag

if TYPE_CHECKING:
    from glance3d.models import ModelSource, Network


_WEIGHTS = (
    "A weights file for the scene's model, if its tracks are needed and it comes without weights."
)


@dataclass(frozen=True)
class _LicenceFlags:
    commercial_only: Flag = False
    """Refuse weights that may not be used commercially, as GLANCE3D_COMMERCIAL_ONLY=1 does."""


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
    adapter: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """What glance3d finetune or peft wrote for this model; merged into its weights."""


@dataclass(frozen=True)
class ModelFlags(_LicenceFlags, _NetworkFlags):  # fields of the last base come first
    """Which network, and where it runs."""

    name: Annotated[str, tyro.conf.arg(name="model", metavar="NAME|FILE|auto")] = "glance-small"
    """A known model (glance3d models lists them), a weights file written by glance3d train, or
    auto: the most accurate one on this machine."""

    def source(self) -> "ModelSource":
        """The same for the library; refuses what cannot be loaded."""
        from glance3d.models import ModelSource

        return ModelSource(
            self.name,
            self.weights,
            self.device,
            self.precision,
            self.commercial_only,
            self.adapter,
        )


@dataclass(frozen=True)
class SceneModelFlags(_LicenceFlags, _NetworkFlags):
    """Which network, and where it runs."""

    name: Annotated[
        str | None,
        tyro.conf.arg(
            name="model", metavar="NAME|FILE|auto", help_behavior_hint="(default: the scene's own)"
        ),
    ] = None
    """A known model (glance3d models lists them), a weights file written by glance3d train, or
    auto: the most accurate one on this machine."""

    def source(self, scene_model: str) -> "ModelSource":
        """The same for the library, where a scene names the model that it was made with."""
        from glance3d.models import ModelSource
        from glance3d.models.zoo import known_name

        name = known_name(scene_model) if self.name is None else self.name
        return ModelSource(
            name, self.weights, self.device, self.precision, self.commercial_only, self.adapter
        )


@dataclass(frozen=True)
class _Weights:
    weights: Annotated[
        Path | None, tyro.conf.arg(metavar="FILE", help=_WEIGHTS, help_behavior_hint="")
    ] = None


@dataclass(frozen=True)
class SceneWeightsFlags(_LicenceFlags, _Weights):
    """The network that the scene was made with, where its tracks are needed."""

    def load(self, scene_model: str) -> "Network":
        """The network that the scene names; may fetch weights."""
        from glance3d.models import ModelSource
        from glance3d.models.zoo import known_name

        name = known_name(scene_model)
        return ModelSource(name, self.weights, commercial_only=self.commercial_only).load()
