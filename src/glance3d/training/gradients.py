"""A batch's losses and gradients, by one thread or by several that share its scenes.

The matrix products of a small network are too small for several threads per operation. Threads that
each take a part of the scenes through the whole network keep all cores of a small processor busy.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import torch
from torch import Tensor

from glance3d.datasets import MultiViewSample
from glance3d.models import Network
from glance3d.training.config import TrainConfig
from glance3d.training.losses.objective import compute_losses
from glance3d.training.losses.scene import Losses, LossWeights


def compute_gradients(
    model: Network, sample: MultiViewSample, config: TrainConfig, weights: LossWeights
) -> Losses:
    """Fill every parameter's gradient (replacing what was there), and return the losses.

    With ``config.gradient_threads`` the losses are means over the parts of the batch, each part
    weighted by its scenes: nearly those of the whole batch, in which some losses are means over
    what is visible. The same config and batch give the same gradients each time.
    """
    model.zero_grad(set_to_none=True)
    parts = split_scenes(sample, config.gradient_threads)
    if len(parts) == 1:
        losses = compute_losses(model, sample, config, weights)
        losses["loss"].backward()
        return {name: loss.detach() for name, loss in losses.items()}
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    shares = [len(part.images) / len(sample.images) for part in parts]

    def work(part: MultiViewSample) -> tuple[Losses, tuple[Tensor | None, ...]]:
        torch.set_num_threads(1)  # of this thread's operations
        losses = compute_losses(model, part, config, weights)
        gradients = torch.autograd.grad(losses["loss"], parameters, allow_unused=True)
        return {name: loss.detach() for name, loss in losses.items()}, gradients

    with ThreadPoolExecutor(len(parts)) as pool:
        results = list(pool.map(work, parts))
    for index, parameter in enumerate(parameters):
        for share, (_, gradients) in zip(shares, results, strict=True):
            gradient = gradients[index]
            if gradient is not None:
                scaled = share * gradient
                parameter.grad = scaled if parameter.grad is None else parameter.grad + scaled
    return {
        name: torch.stack(
            [share * losses[name] for share, (losses, _) in zip(shares, results, strict=True)]
        ).sum()
        for name in results[0][0]
    }


def split_scenes(sample: MultiViewSample, num_parts: int) -> list[MultiViewSample]:
    """At most ``num_parts`` parts of the batch, as even as can be, in order."""
    if num_parts == 1:
        return [sample]
    chunks = {
        field.name: value.tensor_split(min(num_parts, len(value)))
        for field in fields(sample)
        if (value := getattr(sample, field.name)) is not None
    }
    count = len(chunks["images"])
    return [replace(sample, **{n: parts[i] for n, parts in chunks.items()}) for i in range(count)]
