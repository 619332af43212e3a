"""What the configs of all architectures have, and how they are read."""

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from glance3d.errors import ConfigError
from glance3d.models.config.field_checks import checked_values
from glance3d.pass_options import Output

#: Files that do not name their architecture are older than the second one.
_FIRST_ARCHITECTURE = "vggt"
_KEY = "architecture"


@dataclass(frozen=True)
class ModelConfig:
    """Every size of a network is a field of its config; each architecture has a subclass.

    ``ARCHITECTURE`` is what files call it.
    """

    ARCHITECTURE: ClassVar[str]
    _subclasses: ClassVar[dict[str, type["ModelConfig"]]] = {}

    name: str
    patch_size: int = 14

    def __init_subclass__(cls) -> None:
        """Let :meth:`from_dict` know the architecture."""
        ModelConfig._subclasses[cls.ARCHITECTURE] = cls

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What this network can predict."""
        raise NotImplementedError

    @property
    def num_blocks(self) -> int:
        """Transformer blocks, each of which has several tensors in a file of weights."""
        raise NotImplementedError

    def num_steps(self, outputs: tuple[Output, ...]) -> int:
        """How often a pass for these outputs tells its progress (:mod:`glance3d.nn.progress`)."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; :meth:`from_dict` reads it back."""
        return {_KEY: self.ARCHITECTURE, **asdict(self)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ModelConfig":
        """The config, of whatever architecture, that :meth:`to_dict` wrote.

        Raises:
            ConfigError: it is none: a key is missing or unknown, or a value is no such size.
        """
        if not isinstance(data, dict):
            raise ConfigError(f"this is no model config but a {type(data).__name__}")
        given = dict(data)
        architecture = given.pop(_KEY, _FIRST_ARCHITECTURE)
        known = ModelConfig._subclasses
        if not isinstance(architecture, str) or architecture not in known:
            raise ConfigError(
                f"unknown architecture {str(architecture)[:80]!r}: choose from {', '.join(known)}"
            )
        kind = known[architecture]
        if "name" not in given:
            raise ConfigError("a model config without a name")
        return read_part(kind, kind.read_parts(given), "the model")

    @classmethod
    def read_parts(cls, data: dict[str, Any]) -> dict[str, Any]:
        """The parts of a dictionary as the configs that they are; the rest as it is."""
        raise NotImplementedError


def read_part(kind: Any, data: Any, where: str) -> Any:
    """A config of this kind; its fields check themselves."""
    if not isinstance(data, dict):
        raise ConfigError(f"{where} of a model config is a {type(data).__name__}, not an object")
    known = {field.name for field in fields(kind)}
    strange = sorted(set(data) - known)
    if strange:
        raise ConfigError(f"{where} of a model config has no {strange[0][:80]!r}")
    values = {
        key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
    }
    return kind(**checked_values(kind, values))
