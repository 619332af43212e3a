import numpy as np
import pytest
import torch

from glance3d.datasets.synthetic.appearance.patterns import PATTERNS, clouds
from glance3d.datasets.synthetic.appearance.shading import _surface_uv, _texture_rgb
from glance3d.datasets.synthetic.appearance.textures import (
    NUM_SKIES,
    atlas_from_images,
    build_atlas,
    pack_atlas,
)
from glance3d.errors import InputError


@pytest.mark.parametrize("pattern", [*dict.fromkeys(PATTERNS), clouds], ids=lambda p: p.__name__)
def test_a_pattern_has_contrast_and_tiles_without_a_seam(pattern) -> None:
    images = pattern(torch.Generator().manual_seed(1), 6, 64)
    assert images.shape == (6, 3, 64, 64)
    assert images.std((1, 2, 3)).min() > 0.01
    # Neighbours across the border differ no more than some do within; lines of marks are cut off.
    if pattern.__name__ != "marks":
        for picture in (images, images.mT):
            within = (picture[..., 1:] - picture[..., :-1]).abs().mean(2).amax((1, 2))
            across = (picture[..., 0] - picture[..., -1]).abs().mean(2).amax(1)
            assert (across <= 1.2 * within + 0.02).all()


def test_an_atlas_is_a_function_of_its_seed() -> None:
    atlas = build_atlas(3, 12, 64)
    assert torch.equal(atlas.packed, build_atlas(3, 12, 64).packed)
    assert not torch.equal(atlas.packed, build_atlas(4, 12, 64).packed)
    assert atlas.num_textures == 12


def _look_up(atlas, texture: int, u: torch.Tensor, v: torch.Tensor, texels: float) -> torch.Tensor:
    number = torch.full_like(u, texture)
    return torch.stack(_texture_rgb(atlas, number, u, v, torch.full_like(u, texels)), -1)


def test_look_up_returns_texels_wraps_and_coarsens() -> None:
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    atlas = pack_atlas(images)
    row, column = torch.tensor([[0, 3, 15]]), torch.tensor([[0, 7, 15]])
    u, v = (column + 0.5) / 16, (row + 0.5) / 16
    wanted = images[1, :, row, column].movedim(0, -1)
    torch.testing.assert_close(_look_up(atlas, 1, u, v, 1.0), wanted, atol=3e-3, rtol=0)
    torch.testing.assert_close(_look_up(atlas, 1, u - 2, v + 5, 1.0), wanted, atol=3e-3, rtol=0)
    # Half-way between two texels is their mean, also across the border.
    between = _look_up(atlas, 2, torch.zeros(1, 1), torch.full((1, 1), 0.5 / 16), 1.0)
    wanted = (images[2, :, 0, 0] + images[2, :, 0, 15]) / 2
    torch.testing.assert_close(between[0, 0], wanted, atol=5e-3, rtol=0)
    whole = _look_up(atlas, 0, torch.tensor([[0.3]]), torch.tensor([[0.6]]), 16.0)
    torch.testing.assert_close(whole[0, 0], images[0].mean((1, 2)), atol=1e-2, rtol=0)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_marks_are_never_mirrored(axis: int, sign: float) -> None:
    """Seen from the side that the normal points to, u grows to the right and v downwards."""
    normal = torch.zeros(3)
    normal[axis] = sign
    up = torch.tensor([0.0, 1.0, 0.0]) if axis == 2 else torch.tensor([0.0, 0.0, 1.0])
    right = torch.linalg.cross(-normal, up)

    def uv(point: torch.Tensor) -> torch.Tensor:
        return torch.stack(_surface_uv(tuple(point), tuple(normal))[:2])

    colour = torch.tensor([0.3, -0.2, 0.5])
    turn = torch.stack([uv(colour + right) - uv(colour), uv(colour - up) - uv(colour)], 1)
    torch.testing.assert_close(turn.det(), torch.tensor(1.0))
    torch.testing.assert_close(turn, torch.eye(2))


def test_given_textures_replace_the_procedural_ones() -> None:
    textures = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    atlas = atlas_from_images(textures, seed=0)
    assert atlas.num_textures == NUM_SKIES + 5
    u, v = torch.tensor([[4.5 / 32]]), torch.tensor([[9.5 / 32]])
    texel = _look_up(atlas, NUM_SKIES + 2, u, v, 1.0)[0, 0] * 255
    np.testing.assert_allclose(texel, textures[2, 9, 4], atol=0.01)


@pytest.mark.parametrize(
    "textures",
    [
        np.zeros((2, 32, 32), np.uint8),
        np.zeros((0, 32, 32, 3), np.uint8),
        np.zeros((2, 32, 32, 3), np.float32),
        np.zeros((2, 48, 48, 3), np.uint8),
    ],
)
def test_refuses_what_is_no_stack_of_textures(textures: np.ndarray) -> None:
    with pytest.raises(InputError, match="must be"):
        atlas_from_images(textures, seed=0)
