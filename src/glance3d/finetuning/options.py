"""How a network is fine-tuned: one noun, refused when it is made."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from glance3d.errors import InputError
from glance3d.finetuning.data.stream import StreamOptions
from glance3d.models import Network
from glance3d.nn.fast.cpu import has_fast_bfloat16

Train = Literal["lora", "bias", "norm", "heads", "all"]


@dataclass(frozen=True)
class FinetuneOptions:
    """What is trained, on how much, and what counts as better.

    Args:
        train: ``lora`` (adapters of ``rank``, which count ``alpha / rank`` times), ``bias``,
            ``norm``, ``heads`` (all but the backbone) or ``all``.
        steps: Updates of the weights, each from ``images_per_batch`` pictures.
        learning_rate: At its peak; by default one for what is trained.
        num_views: Of a group, from and to.
        max_pixels: Of a picture; by default what the network sees of photos.
        cameras_only: Teach no depth.
        rehearsal: The share of the steps that see drawn scenes of the train split instead of
            photos, so that what the network knows of other kinds is not forgotten.
        tolerated: The share of any number on the general set that may be lost.
        general_scenes: How many drawn scenes the general set has.
        every: Steps between validations; by default a fifth of the run.
        recompute: Less memory for more time; by default for large networks.
    """

    train: Train = "lora"
    rank: int = 16
    alpha: float | None = None
    steps: int = 300
    learning_rate: float | None = None
    num_views: tuple[int, int] = (2, 4)
    images_per_batch: int = 8
    max_pixels: int | None = None
    cameras_only: bool = False
    rehearsal: float = 0.25
    tolerated: float = 0.02
    general_scenes: int = 16
    general_pixels: int = 128 * 128
    every: int | None = None
    recompute: bool | None = None
    average_decay: float = 0.98
    num_queries: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if self.train not in get_args(Train):
            raise InputError(
                f"what is trained must be one of {', '.join(get_args(Train))}, got {self.train!r}"
            )
        for name in ("rank", "steps", "general_scenes", "general_pixels"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.every is not None and self.every < 1:
            raise InputError(f"a validation must be every 1 step or more, got {self.every}")
        if not 0 <= self.tolerated < 1:
            raise InputError(f"tolerated must be a share from 0 to below 1, got {self.tolerated}")
        if not 0 <= self.rehearsal < 1:
            raise InputError(f"rehearsal must be a share from 0 to below 1, got {self.rehearsal}")

    @property
    def validate_every(self) -> int:
        """Steps between validations."""
        return max(1, self.steps // 5) if self.every is None else self.every

    def stream(self, network: Network) -> StreamOptions:
        """Of this network's batches."""
        return StreamOptions(
            self.num_views,
            self.images_per_batch,
            self.max_pixels or network.preprocessing.max_pixels,
            network.config.patch_size,
            self.num_queries,
            self.cameras_only,
        )

    def precision_on(self, network: Network) -> str:
        """Of products, where they are faster in it; weights that learn are float32."""
        if network.device.type == "cpu":
            return "bfloat16" if has_fast_bfloat16() else "float32"
        return "bfloat16"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)
