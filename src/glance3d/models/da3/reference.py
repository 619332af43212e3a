"""Which view Depth Anything 3 tells all others from: chosen by class tokens, in mid-network."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.models.config.da3 import ReferenceStrategy

FEWEST_VIEWS = 3  # with fewer the first one is taken
_LEAST_RANGE = 1e-8


def choose_view(
    class_tokens: Float[Tensor, "batch views dim"], strategy: ReferenceStrategy
) -> Int[Tensor, " batch"]:
    """The reference view of each scene; the first one of several that are equally good."""
    num_scenes, num_views = class_tokens.shape[:2]
    if strategy in ("first", "middle"):
        view = 0 if strategy == "first" else num_views // 2
        return torch.full((num_scenes,), view, device=class_tokens.device)
    directions = F.normalize(class_tokens.float(), dim=-1, eps=0.0)
    similarity = directions @ directions.transpose(-1, -2)
    if strategy == "saddle_sim_range":
        # The diagonal takes part, as about 0.
        others = similarity - torch.eye(num_views, device=similarity.device)
        return (others.amax(-1) - others.amin(-1)).argmax(-1)
    metrics = (
        (similarity.sum(-1) - 1) / (num_views - 1),
        class_tokens.float().norm(dim=-1),
        directions.var(-1),
    )
    return sum(((_scaled(metric) - 0.5).abs() for metric in metrics), torch.zeros(())).argmin(-1)


def view_orders(reference: Int[Tensor, " batch"], num_views: int) -> Int[Tensor, "batch views"]:
    """Of each scene: the reference first, the others as they were."""
    views = torch.arange(num_views, device=reference.device).expand(len(reference), -1)
    # Sorted by (0 for the reference, 1 + index for the others).
    return torch.where(views == reference[:, None], 0, views + 1).argsort(-1)


def _scaled(metric: Float[Tensor, "batch views"]) -> Float[Tensor, "batch views"]:
    """From 0 to 1 over the views of a scene."""
    low, high = metric.amin(-1, keepdim=True), metric.amax(-1, keepdim=True)
    return (metric - low) / (high - low + _LEAST_RANGE)
