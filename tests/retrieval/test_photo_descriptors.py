"""Descriptors of whole photos: a unit vector a photo, of every network, whoever is beside it."""

import numpy as np
import pytest
import torch

from glance3d.models import Network, build_model
from glance3d.models.config import da3_tiny, glance_small, tiny
from glance3d.models.photo_descriptors import describe_photos
from glance3d.types import ImageBatch, PhotoMask, Placement

NETWORKS = {"vggt": tiny, "matching": glance_small, "da3": da3_tiny}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Network:
    torch.manual_seed(0)
    return build_model(NETWORKS[request.param]()).eval().requires_grad_(False)


def photos(network: Network, count: int) -> ImageBatch:
    patch = network.config.patch_size
    height, width = 2 * patch, 3 * patch
    images = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(3))
    placement = Placement((width, height), (width, height), (1.0, 1.0), (0.0, 0.0))
    names = tuple(f"{view}.jpg" for view in range(count))
    return ImageBatch(images, names, names, (placement,) * count)


def test_every_photo_has_a_unit_vector_of_its_own(network: Network) -> None:
    batch = photos(network, 6)
    described = describe_photos(network, batch)
    assert described.dtype == torch.float32
    assert torch.allclose(described.norm(dim=-1), torch.ones(6), atol=1e-5)
    order = [4, 0, 5]
    alone = describe_photos(network, batch.of_views(order))
    torch.testing.assert_close(alone, described[order], rtol=0, atol=1e-5)
    assert float((described[0] - described[1]).norm()) > 1e-3


def test_what_a_mask_leaves_out_does_not_count(network: Network) -> None:
    batch = photos(network, 2)
    height, width = batch.images.shape[-2:]
    keep = np.zeros((height, width), bool)
    keep[:, : network.config.patch_size] = True
    masks = (PhotoMask.from_array(keep), None)
    masked = describe_photos(network, ImageBatch(**{**vars(batch), "masks": masks}))
    whole = describe_photos(network, batch)
    assert float((masked[0] - whole[0]).norm()) > 1e-4
    torch.testing.assert_close(masked[1], whole[1])
    nothing = (PhotoMask.from_array(np.zeros((height, width), bool)), None)
    unmasked = describe_photos(network, ImageBatch(**{**vars(batch), "masks": nothing}))
    torch.testing.assert_close(unmasked, whole)
