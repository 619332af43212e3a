"""How much memory a step of training takes, counted before the first one.

The step runs on shapes alone (the meta device): forward, losses and gradients, with the bytes of
all tensors that are alive added up. What a device's libraries hold beside tensors is not in it.
Matching, of which every second operation asks for values, is counted from its sizes instead.
"""

import copy
from dataclasses import dataclass, replace

import torch
from torch import nn

from glance3d.datasets import MultiViewSample
from glance3d.models import Network
from glance3d.models.architectures import pass_sizes_of
from glance3d.models.memory.live_bytes import LiveBytes
from glance3d.nn.chunks import recomputing
from glance3d.training.config import TrainConfig
from glance3d.training.losses.objective import compute_losses
from glance3d.training.losses.scene import LossWeights

META = torch.device("meta")


@dataclass(frozen=True)
class StepMemory:
    """Bytes: of the weights, of what is kept for those that learn, and at the peak of a step."""

    weights: int
    learning: int
    peak: int


def count_step(
    network: Network,
    config: TrainConfig,
    shape: tuple[int, int, int, int],
    *,
    recompute: bool,
) -> StepMemory:
    """Of one step of this network, whose parameters that require gradients learn.

    ``shape`` is that of a batch: scenes, views, height, width. Activations are counted in float32;
    with bfloat16 they are half as large. The poses that are solved from matches are not counted:
    they are small, and to count them takes longer than to solve them.
    """
    matching = _matching(network, config.losses, shape)
    config = replace(config, losses=_without_geometry(network, config.losses))
    outline = _outline(network)
    sample = _sample(shape, config.data.num_queries)
    with LiveBytes() as counted:
        for value in outline.parameters():
            counted.know(value)
        weights = counted.held
        learned = [value for value in outline.parameters() if value.requires_grad]
        size = sum(value.numel() * value.element_size() for value in learned)
        with recomputing(recompute):
            loss = compute_losses(outline, sample, config)["loss"]
            loss.backward()
    for value in learned:
        value.grad = None
    # Two moments, the average, and its copy while it is validated or written.
    return StepMemory(weights, 4 * size, counted.peak + 4 * size + matching)


def _matching(network: Network, losses: LossWeights, shape: tuple[int, int, int, int]) -> int:
    """What a network that matches holds for that, where a loss needs matches."""
    scenes, views, *size = shape
    if not (losses.pairs or losses.camera):
        return 0
    sizes = pass_sizes_of(network, views, (size[0], size[1]), ("camera",), network.device)
    return sizes.matching_to_learn(scenes)


def _outline(network: Network) -> Network:
    """A copy on the meta device, for which no weight is copied on the way."""
    made = {
        id(value): nn.Parameter(value.to(META), requires_grad=value.requires_grad)
        for value in network.parameters()
    }
    return copy.deepcopy(network, made).to(META)


def _without_geometry(network: Network, losses: LossWeights) -> LossWeights:
    """The losses but for those that need poses from matches, where there are others."""
    if getattr(network.config, "correspondence", None) is None:
        return losses
    if set(losses.active) <= {"camera", "pairs"}:
        return LossWeights.only(descriptors=1.0)
    return replace(losses, camera=0.0, pairs=0.0)


def _sample(shape: tuple[int, int, int, int], queries: int) -> MultiViewSample:
    scenes, views, height, width = shape

    def empty(*size: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.empty(scenes, *size, dtype=dtype, device=META)

    return MultiViewSample(
        images=empty(views, 3, height, width),
        cam_from_world=empty(views, 3, 4),
        intrinsics=empty(views, 3, 3),
        depth=empty(views, height, width),
        valid=empty(views, height, width, dtype=torch.bool),
        query_points=empty(queries, 2),
        tracks=empty(views, queries, 2),
        visibility=empty(views, queries, dtype=torch.bool),
    )
