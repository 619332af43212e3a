"""What every network has, whatever its architecture."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.images import Preprocessing
from glance3d.models.adapters.record import AdapterRecord
from glance3d.models.config import ModelConfig
from glance3d.models.weights.cards import WeightsCard
from glance3d.nn.block import Block
from glance3d.retrieval import patch_weights, pool_tokens
from glance3d.types import Predictions

ConfigT = TypeVar("ConfigT", bound=ModelConfig, covariant=True)


class Network(nn.Module, Generic[ConfigT]):
    """Photos of a scene to what its config says that it predicts.

    ``card`` says where the weights came from (None for random ones), ``weights_path`` is the file,
    ``preprocessing`` how photos should be made ready, ``adapter`` what was merged into the weights,
    and ``chosen_because`` why the name "auto" took this network. ``takes_cameras``: :meth:`forward`
    has one argument more, ``cameras``, a pair of ``cam_from_world`` (``[S,3,4]`` or ``[B,S,3,4]``)
    and intrinsics in pixels of the images (``[S,3,3]`` or ``[B,S,3,3]``), prepared by
    :func:`glance3d.models.given_cameras.normalise_given`. Where rays are among the outputs of its
    config, :meth:`forward` has ``cameras_from``, one of ``glance3d.pass_options.CAMERA_SOURCES``.
    """

    takes_cameras: ClassVar[bool] = False

    def __init__(self, config: ConfigT) -> None:
        super().__init__()
        self.config = config
        self.card: WeightsCard | None = None
        self.weights_path: Path | None = None
        self.adapter: AdapterRecord | None = None
        self.chosen_because = ""
        self.preprocessing = Preprocessing(patch_size=config.patch_size)

    @property
    def described_name(self) -> str:
        """Its name, and the hash of the adapter that is in its weights."""
        used = self.adapter
        return self.config.name + ("" if used is None else f" with adapter {used.sha256[:12]}")

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    def forward(
        self,
        images: Tensor,
        query_points: Tensor | None = None,
        outputs: Sequence[str] | None = None,
        attention: str = "full",
        focal_lengths: Tensor | None = None,
        camera_ids: Sequence[int] | None = None,
    ) -> Predictions:
        """One pass over all views; the same with and without gradients.

        Args:
            images: RGB in [0, 1], ``[S,3,H,W]`` or ``[B,S,3,H,W]``; H and W multiples of the patch.
            query_points: ``[N,2]`` or ``[B,N,2]`` pixels (x, y) of the first view to track; the
                top-left pixel's centre is (0, 0).
            outputs: What to predict; everything the network can by default, tracks only with query
                points. What is not asked for is not computed.
            attention: "full", or "thin": approximate, see :mod:`glance3d.models.sparse_keys`.
            focal_lengths: ``[S]`` or ``[B,S]``, in pixels, where known (say from EXIF); else NaN.
                A network that has no use for them ignores them.
            camera_ids: One a view: the same number says that views share a focal length. None:
                all do, or have the known ones. Ignored as focal lengths are.

        Raises:
            InputError: A shape, size or value cannot be used. Values that are on a GPU are not
                looked at, since the host would have to wait for them: check before you move them
                (:func:`glance3d.models.checks.check_pixel_values`).
        """
        raise NotImplementedError

    def embed_patches(
        self, images: Float[Tensor, "views 3 height width"]
    ) -> Float[Tensor, "views patches dim"]:
        """Patch tokens of each view, before any view sees another; images are RGB in [0, 1]."""
        raise NotImplementedError

    def photo_tokens(
        self, images: Float[Tensor, "views 3 height width"]
    ) -> Float[Tensor, "views patches dim"]:
        """Patch tokens that know the whole of their photo and no other, by which photos are alike.

        One for every patch, row by row; images are RGB in [0, 1].
        """
        return self.embed_patches(images)

    def photo_descriptors(
        self,
        images: Float[Tensor, "views 3 height width"],
        usable: Float[Tensor, "views height width"],
    ) -> Float[Tensor, "views dim"]:
        """A unit vector a photo, by which photos of one thing are alike; no view sees another.

        ``usable`` is 1 where a pixel counts and 0 where not. Compare them by
        :func:`glance3d.retrieval.photo_likeness`, which first whitens them over the set.
        """
        patch = self.config.patch_size
        grid = (images.shape[-2] // patch, images.shape[-1] // patch)
        return pool_tokens(self.photo_tokens(images), patch_weights(usable, grid))

    def initialise(self) -> None:
        """Make random weights a good start for training."""

    @property
    def large_products(self) -> list[nn.Module]:
        """The parts whose products take the network's precision; all others stay float32."""
        raise NotImplementedError

    @property
    def matmul_dtype(self) -> torch.dtype:
        """The precision of the large products."""
        return self.blocks[0].attn.qkv.weight.dtype

    @property
    def blocks(self) -> Sequence[Block]:
        """The blocks in which all views see each other."""
        raise NotImplementedError
