"""What of a network is trained, what its photo sets can teach it, and how large its steps are."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from glance3d.datasets import SyntheticConfig
from glance3d.errors import ConfigError, InputError
from glance3d.finetuning.options import FinetuneOptions
from glance3d.models import DA3, VGGT, Network
from glance3d.models.adapters.layers import add_lora, block_layers, linear_layers
from glance3d.nn.precision import LayerNorm
from glance3d.photo_sets import PhotoSet
from glance3d.training import LossWeights, OptimiserConfig, TrainConfig

_LEARNING_RATES = {"lora": 3e-4, "bias": 3e-4, "norm": 3e-4, "heads": 5e-5, "all": 2e-5}
# Where tokens of all views are made: what is not below these are heads.
_BACKBONES = ("aggregator.", "backbone.")
# No loss reaches them: cameras are not given in training, and tracks not taught.
_UNTAUGHT = ("camera_encoder.", "track_head.")
_WARMUP = 0.05  # of the run


def choose_trainable(network: Network, options: FinetuneOptions) -> int:
    """Let what was asked for require gradients, and nothing else; how many numbers that are."""
    network.requires_grad_(False)
    for parameter in _CHOICES[options.train](network, options):
        parameter.requires_grad_()
    count = sum(value.numel() for value in network.parameters() if value.requires_grad)
    if count == 0:
        raise InputError(f"{network.config.name} has nothing to train by --train {options.train}")
    return count


def _lora(network: Network, options: FinetuneOptions) -> list[nn.Parameter]:
    """New adapters of all blocks, and of the other linear layers of the heads that are taught.

    Some heads have no blocks: what judges matches, and what a camera head says in the end.
    """
    of_heads = [name for name in linear_layers(network) if not name.startswith(_BACKBONES)]
    layers = [
        name
        for name in dict.fromkeys((*block_layers(network), *of_heads))
        if not name.startswith(_UNTAUGHT)
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)  # the same run begins with the same adapters
        add_lora(network, options.rank, options.alpha, layers)
    return [value for name, value in network.named_parameters() if ".lora." in name]


def _bias(network: Network, options: FinetuneOptions) -> list[nn.Parameter]:
    return [value for name, value in network.named_parameters() if name.endswith("bias")]


def _norm(network: Network, options: FinetuneOptions) -> list[nn.Parameter]:
    norms = [part for part in network.modules() if isinstance(part, LayerNorm)]
    return [value for part in norms for value in part.parameters()]


def _heads(network: Network, options: FinetuneOptions) -> list[nn.Parameter]:
    return [value for name, value in network.named_parameters() if not name.startswith(_BACKBONES)]


def _all(network: Network, options: FinetuneOptions) -> list[nn.Parameter]:
    return list(network.parameters())


_CHOICES: dict[str, Callable[[Network, FinetuneOptions], list[nn.Parameter]]] = {
    "lora": _lora,
    "bias": _bias,
    "norm": _norm,
    "heads": _heads,
    "all": _all,
}


def losses_for(network: Network, sets: Sequence[PhotoSet], cameras_only: bool) -> LossWeights:
    """What these sets can teach what is trained of this network; tracks are left as they are.

    Cameras that start from matches are taught by descriptors and the judge of matches, where there
    is depth for that: what is solved from them has no gradient, and the head that refines it would
    learn the few places of the sets by heart.

    Raises:
        InputError: it is a network that is not trained, or predicts no cameras.
    """
    outputs = network.config.outputs
    if not isinstance(network, VGGT | DA3) or "camera" not in outputs:
        raise InputError(
            f"fine-tuning must be of a VGGT or DA3 network with cameras, got {network.config.name}"
        )
    with_maps = not cameras_only and any(photos.has_depth for photos in sets)
    with_depth = with_maps or (not cameras_only and any(photos.sparse for photos in sets))
    weights = {"camera": 1.0 if isinstance(network, DA3) else 5.0}
    if with_depth and "depth" in outputs:
        weights["depth"] = 1.0
    if with_depth and "points" in outputs:
        weights["points"] = 0.5
    if with_depth and "rays" in outputs:
        weights["rays"] = 0.2
    if with_maps and isinstance(network, VGGT) and network.correspondence_head is not None:
        weights["descriptors"] = 1.0
        judge = network.correspondence_head.relations
        if any(value.requires_grad for value in judge.parameters()):
            weights["pairs"] = 1.0
        if network.camera_head is not None and network.camera_head.starts_from_matches:
            del weights["camera"]
    return LossWeights.only(**weights)


def training_config(network: Network, options: FinetuneOptions, losses: LossWeights) -> TrainConfig:
    """The run as the trainer takes it; its drawn scenes are those of the general set.

    Raises:
        ConfigError: a value cannot be used.
    """
    scenes = options.stream(network).num_scenes
    total = options.steps * scenes
    rate = options.learning_rate
    if rate is not None and not 0 < rate < 1:
        raise ConfigError(f"a learning rate must be between 0 and 1, got {rate}")
    return TrainConfig(
        recipe=f"finetune-{options.train}",
        model=network.config,
        data=SyntheticConfig(
            images_per_batch=16,
            size_multiple=network.config.patch_size,
            num_views=(2, 4),
            num_textures=96,
            texture_size=128,
            max_pixels=max(options.general_pixels, network.config.patch_size**2),
            num_queries=options.num_queries,
        ),
        losses=losses,
        optimiser=OptimiserConfig(
            peak_lr=_LEARNING_RATES[options.train] if rate is None else rate,
            weight_decay=0.0,
            warmup_samples=round(_WARMUP * total),
            average_decay=options.average_decay,
        ),
        total_samples=total,
        precision=options.precision_on(network),
        device=str(network.device),
        seed=options.seed,
        log_depth=True,
        log_every_steps=max(1, min(10, options.steps // 50)),
        validate_every_samples=options.validate_every * scenes,
        num_validation_batches=2,
    )
