"""Models fall into the groups of photos that points hold together."""

import pycolmap
import pytest

from glance3d.refinement.mapping.components import image_groups, only_images, split_models
from tests.refinement.mapping.synthetic import one_camera


@pytest.fixture
def whole() -> pycolmap.Reconstruction:
    return pycolmap.synthesize_dataset(one_camera(7, 160))


def cut(
    model: pycolmap.Reconstruction, second: set[int], num_between: int = 0
) -> pycolmap.Reconstruction:
    """Points seen by either side alone, but for so many; even ones by the second side."""
    first = set(model.reg_image_ids()) - second
    for index, point_id in enumerate(sorted(model.points3D)[num_between:]):
        keep_views(model, point_id, first if index % 2 else second)
    return model


def keep_views(model: pycolmap.Reconstruction, point_id: int, images: set[int]) -> None:
    """Only these images see the point; it goes with its last two observations."""
    track = [(e.image_id, e.point2D_idx) for e in model.point3D(point_id).track.elements]
    for image_id, feature in track:
        if image_id not in images and point_id in model.points3D:
            model.delete_observation(image_id, feature)


def test_a_model_that_points_hold_together_is_itself(whole: pycolmap.Reconstruction) -> None:
    ((index, part),) = split_models([whole])
    assert (index, part) == (0, whole)


@pytest.mark.parametrize(("num_between", "num_parts"), [(0, 2), (11, 2), (20, 1)])
def test_a_model_without_points_in_common_falls_apart(
    whole: pycolmap.Reconstruction, num_between: int, num_parts: int
) -> None:
    parts = [part for _, part in split_models([cut(whole, {5, 6, 7}, num_between)])]
    assert len(parts) == num_parts
    if num_parts == 2:
        assert [set(part.reg_image_ids()) for part in parts] == [{1, 2, 3, 4}, {5, 6, 7}]
        assert whole.num_reg_images() == 7


def test_few_points_in_common_of_several_photos_add_up(whole: pycolmap.Reconstruction) -> None:
    """Each two photos across share fewer than hold a photo, all together enough."""
    model = cut(whole, {5, 6, 7}, 24)
    for index, point_id in enumerate(sorted(model.points3D)[:24]):
        keep_views(model, point_id, {1 + index % 4, 5 + index % 3})
    assert image_groups(model) == [set(range(1, 8))]


def test_a_single_photo_stays_where_it_is(whole: pycolmap.Reconstruction) -> None:
    assert image_groups(cut(whole, {7})) == [set(range(1, 8))]


def test_a_photo_of_two_models_is_in_the_first(whole: pycolmap.Reconstruction) -> None:
    models = [only_images(whole, {1, 2, 3, 4}), only_images(whole, {4, 5, 6, 7})]
    parts = split_models(models)
    assert [index for index, _ in parts] == [0, 1]
    assert [set(part.reg_image_ids()) for _, part in parts] == [{1, 2, 3, 4}, {5, 6, 7}]
    # Two photos with few points are no scene.
    few = only_images(whole, {6, 7})
    for point_id in sorted(few.points3D)[20:]:
        few.delete_point3D(point_id)
    assert len(split_models([models[0], few])) == 1
