"""Inside the forward the host of a GPU never waits for it (proved without one)."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.meta_gpu import HostWaitError, build_on_meta, meta_gpu, no_host_waits
from benchmarks.twin import Twin

from glance3d.errors import InputError
from glance3d.images import load_images
from glance3d.models.checks import check_query_points
from glance3d.models.config import VGGTConfig, VitEmbedConfig, glance_small, tiny, vggt_1b
from glance3d.multiview.options import MultiviewOptions
from glance3d.multiview.reconcile import reconcile
from glance3d.prediction import predict
from glance3d.types import Predictions


def shallow(config: VGGTConfig) -> VGGTConfig:
    """The same widths and every part once or twice: what is left out is the same again."""
    assert config.tracks is not None
    assert config.camera is not None
    layers = (0, 0, 1, 1)
    changed: dict[str, Any] = {"aggregator": replace(config.aggregator, depth=2)}
    for name in ("depth", "points"):
        changed[name] = replace(getattr(config, name), layers=layers)
    tracks = replace(config.tracks, layers=layers, depth=1, num_iterations=2)
    camera = replace(config.camera, trunk_depth=1, num_iterations=2)
    if isinstance(config.patch_embed, VitEmbedConfig):
        changed["patch_embed"] = replace(config.patch_embed, depth=1)
    if config.correspondence is not None:
        changed["correspondence"] = replace(config.correspondence, layer=1)
    multiview = few_tries(config.multiview)
    return replace(config, tracks=tracks, camera=camera, multiview=multiview, **changed)


def few_tries(options: MultiviewOptions) -> MultiviewOptions:
    """Poses from matches are tried and improved once or twice: the other times are the same."""
    return replace(
        options,
        focal_search=replace(
            options.focal_search, focal_lengths_hd=(0.8, 1.0, 1.2), factors=(1.0, 0.8)
        ),
        relative_pose=replace(
            options.relative_pose, first_widths_hd=(0.1,), last_widths_hd=(0.015, 0.004)
        ),
        pose_adjustment=replace(options.pose_adjustment, cauchy_widths_hd=(0.03, 0.007)),
    )


def ready(config: VGGTConfig, views: int, attention: str = "full") -> Callable[..., Predictions]:
    """A pass to be called: of a shallow network, with everything that it can predict."""
    network = build_on_meta(shallow(config), torch.bfloat16)
    side = 10 * config.patch_size
    images = torch.empty(views, 3, side, side, device="meta")
    queries = torch.empty(5, 2, device="meta")

    def run(**extra: Any) -> Predictions:
        return reconcile(network(images, queries, attention=attention, **extra))

    return run


@pytest.mark.parametrize(
    ("config", "views", "attention"),
    [
        (tiny(), 9, "thin"),
        (glance_small(), 1, "full"),
        pytest.param(glance_small(), 2, "full", marks=pytest.mark.long),
        (vggt_1b(), 2, "full"),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_a_pass_never_waits_for_the_device(config: VGGTConfig, views: int, attention: str) -> None:
    run = ready(config, views, attention)
    with meta_gpu(), no_host_waits(but_for_tables=True):
        predictions = run()
    for values in (
        predictions.pose_enc,
        predictions.depth,
        predictions.points_world,
        predictions.tracks,
    ):
        assert values is not None
        assert values.device.type == "meta"


def test_tables_are_made_once() -> None:
    run = partial(ready(tiny(), 2), outputs=("camera", "depth"))
    with meta_gpu():
        run()
        with no_host_waits():
            run()


def test_query_points_of_the_host_are_handed_over_without_waiting() -> None:
    images, queries = torch.empty(1, 2, 3, 70, 70, device="meta"), torch.tensor([[3.0, 4.0]])
    with meta_gpu(), no_host_waits():
        assert check_query_points(queries, images).device == images.device
    with pytest.raises(InputError, match="outside the first view"):
        check_query_points(queries + 70, images)


def test_photos_are_looked_at_before_they_leave_the_host() -> None:
    photo = np.full((70, 70, 3), 128, dtype=np.uint8)
    batch = load_images([photo, photo], build_on_meta(tiny()).preprocessing)
    with pytest.raises(InputError, match=r"must be RGB in \[0, 1\]"):
        predict(build_on_meta(tiny()), replace(batch, pixels=255 * batch.images))


def test_the_published_design_does_wait() -> None:
    with torch.device("meta"):
        twin = Twin(tiny()).eval()
    with meta_gpu(), pytest.raises(HostWaitError), no_host_waits():
        twin(torch.empty(2, 3, 70, 70, device="meta"))


X, MASK = torch.empty(3, device="meta"), torch.empty(3, device="meta", dtype=torch.bool)
WAITS: dict[str, Callable[[], object]] = {
    "a number": lambda: float(X[0]),
    "a choice": lambda: bool((X > 0).all()),
    "a mask": lambda: X[MASK],
    "a mask to write": lambda: X.__setitem__(MASK, X[:1]),
    "places": lambda: MASK.nonzero(),
    "same": lambda: torch.equal(X, X),
    "to the host": lambda: X.cpu(),
    "from the host": lambda: torch.ones(3).to(X.device),
    "into it": lambda: X.copy_(torch.ones(3)),
    "a list": lambda: torch.tensor([1.0], device="meta"),
    "a new list": lambda: X.new_tensor([1.0]),
    "an index": lambda: X[[0, 1]],
    "an index of the host": lambda: X[torch.tensor([0])],
    "singular values": lambda: torch.linalg.svd(torch.empty(3, 3, device="meta")),
    "repeats": lambda: X.repeat_interleave(MASK.long()),
}
FREE: dict[str, Callable[[], object]] = {
    "a number of the host": lambda: X * torch.tensor(2.0),
    "a constant": lambda: torch.where(MASK, 0.0, X),
    "written": lambda: X.__setitem__(0, 1.0),
    "gathered": lambda: X[MASK.long()],
    "handed over": lambda: torch.ones(3).to(X.device, non_blocking=True),
    "on the host": lambda: torch.ones(3).sum().item(),
}


@pytest.mark.parametrize("what", WAITS)
def test_what_waits_is_seen(what: str) -> None:
    with meta_gpu(), pytest.raises(HostWaitError), no_host_waits():
        WAITS[what]()


@pytest.mark.parametrize("what", FREE)
def test_what_does_not_wait_is_let_be(what: str) -> None:
    with meta_gpu(), no_host_waits():
        FREE[what]()
