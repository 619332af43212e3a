"""What is inside Depth Anything 3, against the golden numbers (tests/golden/da3/README.md)."""

from pathlib import Path

import pytest
import torch
from benchmarks.da3_weights import published_weights, write_published_file
from safetensors.torch import load_file, save_file

from glance3d.geometry.transforms import compose, invert
from glance3d.models import build_model
from glance3d.models.config import ModelConfig, da3_tiny
from glance3d.models.da3 import DA3
from glance3d.models.da3.backbone import NUM_SPECIAL
from glance3d.models.da3.reference import choose_view, view_orders
from glance3d.models.weights.files import load_weights, save_weights
from tests.models.da3.golden import assert_close, load_golden


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> DA3:
    path = tmp_path_factory.mktemp("weights") / "da3-tiny.safetensors"
    write_published_file("da3-tiny", path)
    model = build_model(da3_tiny())
    load_weights(model, path, torch.device("cpu"))
    assert isinstance(model, DA3)
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize("case", ["square", "wide", "batch"])
def test_layers_tokens_and_cameras(network: DA3, case: str) -> None:
    golden = load_golden(f"da3_tiny_{case}")
    images, backbone = golden["images"], network.backbone
    layers = network.config.dense.layers
    stream = backbone.stream(backbone.embed(images), backbone.grid(images), layers)
    for place, (_, local, last) in enumerate(stream):
        patches = torch.cat(
            [local[:, :, NUM_SPECIAL:], backbone.norm(last[:, :, NUM_SPECIAL:])], -1
        )
        assert_close(patches, golden[f"features_{place}"], 3e-6)
        camera_token = torch.cat([local[:, :, 0], last[:, :, 0]], -1)
    assert_close(camera_token, golden["camera_token"], 3e-6)
    assert_close(network.decode_cameras(camera_token), golden["pose_enc"], 3e-6)


@pytest.mark.parametrize("case", ["square", "wide", "batch", "odd"])
def test_the_reference_view(case: str) -> None:
    golden = load_golden(f"da3_tiny_{case}")
    for row, strategy in enumerate(("first", "middle", "saddle_balanced")):
        chosen = choose_view(golden["class_tokens"], strategy)
        assert chosen.tolist() == golden["reference_view_by_strategy"][row].tolist(), strategy


def test_the_closest_pair_shares_the_largest_range() -> None:
    tokens = torch.eye(4)[None].clone()
    tokens[0, 2, 3] = 0.7  # views 2 and 3 are alike; rounding decides between the two
    assert int(choose_view(tokens, "saddle_sim_range")) in (2, 3)


def test_the_reference_goes_first_and_the_others_stay() -> None:
    assert view_orders(torch.tensor([2, 0]), 4).tolist() == [[2, 0, 1, 3], [0, 1, 2, 3]]


@pytest.mark.parametrize("case", ["posed", "posed_batch"])
def test_given_cameras_as_tokens(network: DA3, case: str) -> None:
    golden = load_golden(f"da3_tiny_{case}")
    size = tuple(golden["images"].shape[-2:])
    poses = golden["given_extrinsics"][..., :3, :]
    tokens = network.encode_cameras(poses, golden["given_intrinsics"], size)
    assert_close(tokens, golden["camera_condition"], 3e-6)


def test_a_published_file_comes_back_as_it_was(network: DA3, tmp_path: Path) -> None:
    save_weights(network, tmp_path / "again.safetensors", network.config)
    written, published = load_file(tmp_path / "again.safetensors"), published_weights("da3-tiny")
    assert written.keys() == published.keys()
    assert all(torch.equal(written[name], published[name]) for name in published)
    assert ModelConfig.from_dict(network.config.to_dict()) == network.config


def test_the_gaussian_head_of_a_file_is_left_out(network: DA3, tmp_path: Path) -> None:
    tensors = published_weights("da3-tiny") | {"model.gs_head.norm.weight": torch.ones(3)}
    save_file(tensors, tmp_path / "giant.safetensors")
    load_weights(build_model(da3_tiny()), tmp_path / "giant.safetensors", torch.device("cpu"))


def test_cameras_from_rays_are_those_of_its_rays(network: DA3) -> None:
    images = load_golden("da3_tiny_pair")["images"]
    by_rays = network(images, outputs=("camera",), cameras_from="rays")
    assert by_rays.ray is None
    assert not torch.equal(by_rays.cameras()[0], network(images, outputs=("camera",)).cameras()[0])


def test_points_of_rays_move_with_the_world(network: DA3) -> None:
    """The first camera's frame: its pose is the identity, and a ray is the same line as before."""
    before = network(load_golden("da3_tiny_pair")["images"], outputs=("camera", "rays"))
    after = before.in_first_camera()
    assert before.cam_from_world is not None
    assert before.ray is not None
    assert after.ray is not None
    poses = after.cameras()[0]
    assert_close(poses[:, 0], torch.eye(4)[None, :3], 1e-6)
    first = before.cam_from_world[:, :1]
    assert_close(compose(poses, first), before.cam_from_world, 3e-6)
    ends = before.ray[..., :3] + before.ray[..., 3:]
    moved = after.ray[..., :3] + after.ray[..., 3:]
    world = invert(first)[:, :, None, None]
    back = torch.einsum("...ij,...j->...i", world[..., :3], moved) + world[..., 3]
    assert_close(back, ends, 5e-6)
