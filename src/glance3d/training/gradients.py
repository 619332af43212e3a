"""A batch's losses and gradients, by one thread or by several that share its scenes.

The matrix products of a small network are too small for several threads per operation. Threads that
each take a part of the scenes through the whole network keep all cores of a small processor busy.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import torch
from torch import Tensor, nn

from glance3d.datasets import MultiViewSample
from glance3d.distributed.group import Group
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


class SharedGradients:
    """:func:`compute_gradients` by the ranks of a group, each on its part of every batch.

    PyTorch's DistributedDataParallel averages gradients while they are computed. Ranks take the
    place of ``config.gradient_threads``: losses are means over the parts, weighted by their scenes.
    At the start all have the first rank's weights.
    """

    def __init__(self, model: Network, config: TrainConfig, group: Group) -> None:
        self._model, self._group = model, group
        self._loss = group.data_parallel(_BatchLoss(model, config))

    def compute(self, part: MultiViewSample, weights: LossWeights) -> tuple[Losses, int]:
        """Fill every parameter's gradient; the losses and the number of scenes of all ranks."""
        self._model.zero_grad(set_to_none=True)
        num_scenes = self._group.added(torch.tensor([len(part.images)]))
        share = len(part.images) / int(num_scenes)
        with self._group.noticing_failures():
            losses = self._loss(part, weights)
            (losses["loss"] * (share * self._group.size)).backward()  # their mean is taken
        values = torch.stack([loss.detach().float() for loss in losses.values()])
        means = self._group.added(share * values)
        return dict(zip(losses, means, strict=True)), int(num_scenes)


class _BatchLoss(nn.Module):
    """Losses as a module's forward, which is what can be made parallel."""

    def __init__(self, model: Network, config: TrainConfig) -> None:
        super().__init__()
        self.model, self.config = model, config

    def forward(self, sample: MultiViewSample, weights: LossWeights) -> Losses:
        """Only ``loss`` has gradients."""
        losses = compute_losses(self.model, sample, self.config, weights)
        return {n: loss if n == "loss" else loss.detach() for n, loss in losses.items()}
