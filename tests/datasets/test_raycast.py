import numpy as np
import pytest
import torch

from glance3d.datasets.synthetic import raycast
from glance3d.datasets.synthetic.draws import Draws
from glance3d.datasets.synthetic.raycast import ROOM, trace
from glance3d.datasets.synthetic.scenes import DRAWS_PER_SCENE, draw_scenes
from glance3d.datasets.synthetic.visibility import origins_in_shapes
from tests.reference.raycast import first_hit, kind_of


def _rays(num_scenes: int, num_rays: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scenes' shapes, one origin a scene and many directions that mostly meet something."""
    scenes, layout = draw_scenes(
        Draws(3, num_scenes, DRAWS_PER_SCENE, torch.device("cpu")), num_textures=8
    )
    generator = torch.Generator().manual_seed(0)
    offset = torch.randn(num_scenes, 3, generator=generator).abs() + 0.3
    origin = layout.focus + layout.extent[:, None] * offset
    origin = torch.minimum(origin, 0.9 * layout.room_half * torch.tensor([1.0, 1.0, 2.0]))
    spread = layout.extent[:, None, None] * torch.randn(
        num_scenes, num_rays, 3, generator=generator
    )
    return scenes.local_from_world, origin, layout.focus[:, None] + 0.6 * spread - origin[:, None]


def _trace(
    shapes: torch.Tensor, origin: torch.Tensor, direction: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    dx, dy, dz = direction.unbind(-1)
    return trace(origins_in_shapes(shapes, origin), shapes[..., :3], (dx, dy, dz))


def test_agrees_with_the_slow_twin() -> None:
    shapes, origin, direction = _rays(num_scenes=24, num_rays=12)
    depth, index = _trace(shapes, origin, direction)
    kinds = set()
    for scene in range(len(shapes)):
        for ray in range(direction.shape[1]):
            wanted, shape = first_hit(
                shapes[scene].double().numpy(),
                origin[scene].double().numpy(),
                direction[scene, ray].double().numpy(),
            )
            assert depth[scene, ray].item() == pytest.approx(wanted, rel=2e-4, abs=1e-5)
            assert index[scene, ray].item() == shape
            kinds.add("room" if shape == ROOM else kind_of(shape))
    assert kinds == {"room", "box", "ball", "cylinder"}


@pytest.mark.parametrize("at_once", [2, 5, 20])
def test_taking_primitives_together_changes_nothing(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rays = _rays(num_scenes=8, num_rays=50)
    one_by_one = _trace(*rays)
    monkeypatch.setattr(raycast, "_at_once", lambda device_type: at_once)
    together = _trace(*rays)
    for a, b in zip(one_by_one, together, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_ray_along_an_axis_meets_box_ball_and_cylinder() -> None:
    """Components that are exactly zero must not become nan."""
    origin = [torch.full((1, 1), value) for value in (0.0, 0.0, -3.0)]
    direction = [torch.full((1, 1), value) for value in (0.0, 0.0, 1.0)]
    for interval in (
        raycast.box_interval,
        raycast.ellipsoid_interval,
        raycast.cylinder_interval,
    ):
        near, far = interval(tuple(origin), tuple(direction))
        assert near.item() == pytest.approx(2)
        assert far.item() == pytest.approx(4)
