import json

import pytest
import torch
from PIL import Image
from torch import nn

from glance3d.datasets import SyntheticScenes
from glance3d.errors import ConfigError, WeightsError
from glance3d.models.config import ModelConfig
from glance3d.training import RECIPES, build_recipe, load_checkpoint
from glance3d.training.config import OptimiserConfig
from glance3d.training.data.sample_batch import SyntheticSampler, load_textures
from glance3d.training.run.spikes import SpikeDetector
from glance3d.training.run.training_log import TrainingLog, draw_learning_curve, read_log
from glance3d.training.schedule import learning_rate_factor
from glance3d.training.weight_average import WeightAverage


def factor(progress: float, samples: int = 10**6, cooldown: float = 1.0) -> float:
    return learning_rate_factor(progress, samples, 100, cooldown, 0.1)


def test_cosine_from_one_to_the_floor():
    assert factor(0.0) == 1
    assert factor(0.5) == pytest.approx(0.55)
    assert factor(1.0) == pytest.approx(0.1)
    assert factor(2.0) == pytest.approx(0.1)


def test_the_rate_stays_until_the_cooldown():
    assert factor(0.7, cooldown=0.3) == pytest.approx(1)
    assert factor(0.85, cooldown=0.3) == pytest.approx(0.55)


def test_warm_up_is_linear_in_samples():
    assert factor(0.0, samples=0) == pytest.approx(0.01)
    assert factor(0.0, samples=49) == pytest.approx(0.5)


def test_average_moves_towards_the_weights():
    layer = nn.Linear(1, 1)
    average = WeightAverage(layer, decay=0.5)
    start = average.values["weight"].clone()
    with torch.no_grad():
        layer.weight.add_(1)
    for _ in range(3):
        average.update(layer)
    # Decays 2/11, 3/12 and 4/13 are all below 0.5.
    weight_of_start = 2 / 11 * 3 / 12 * 4 / 13
    torch.testing.assert_close(average.values["weight"], start + 1 - weight_of_start)


def test_spikes_stand_out_of_the_noise():
    generator = torch.Generator().manual_seed(0)
    detector = SpikeDetector()
    for _ in range(200):
        assert not detector.is_spike(float(1 + 0.1 * torch.randn((), generator=generator)))
    assert detector.is_spike(5.0)


def test_recipes_are_complete_and_json_ready():
    for name in RECIPES:
        config = build_recipe(name)
        assert config.recipe == name
        written = json.loads(json.dumps(config.to_dict()))["model"]
        assert ModelConfig.from_dict(written) == config.model
        assert "multiview" not in written  # checkpoints from before the options can be resumed
    with pytest.raises(ConfigError, match="small-cpu"):
        build_recipe("nothing")


def test_configs_fail_when_made():
    with pytest.raises(ConfigError, match="peak_lr > 0"):
        OptimiserConfig(peak_lr=0.0)


def test_the_log_keeps_numbers_that_are_not_finite_readable(tmp_path):
    log = TrainingLog(tmp_path / "log.jsonl")
    log.write("train", 1, 8, loss=1.5)
    log.write("skipped", 2, 16, loss=float("nan"))
    assert read_log(log.path, "train")[0]["loss"] == 1.5
    assert read_log(log.path, "skipped")[0]["loss"] == "nan"


def test_the_curve_falls_from_left_to_right_where_the_loss_does(tmp_path):
    lines = [{"samples": 10 * step, "loss": float(100 - step)} for step in range(1, 100)]
    draw_learning_curve(lines, ["loss"], tmp_path / "curve.png", smooth=0.0)
    image = Image.open(tmp_path / "curve.png").convert("RGB")
    blue = [
        (x, y)
        for x in range(60, image.width - 45)
        for y in range(70, image.height - 45)
        if image.getpixel((x, y)) == (31, 119, 180)
    ]
    assert max(y for x, y in blue if x < 300) < min(y for x, y in blue if x > 700)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(WeightsError, match="not a readable checkpoint"):
        load_checkpoint(tmp_path / "text.pt")
    torch.save({"a": 1}, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match="no checkpoint of the format"):
        load_checkpoint(tmp_path / "other.pt")


class Attack:
    def __reduce__(self):
        return print, ("unpickled",)


def test_a_checkpoint_cannot_run_code(tmp_path, capsys):
    torch.save({"format": Attack()}, tmp_path / "evil.pt")
    with pytest.raises(WeightsError, match="not a readable checkpoint"):
        load_checkpoint(tmp_path / "evil.pt")
    assert "unpickled" not in capsys.readouterr().out


def test_textures_are_central_squares_in_order(tmp_path):
    for number, color in enumerate(("red", "blue")):
        Image.new("RGB", (40, 20), color).save(tmp_path / f"{number}.png")
    textures = load_textures(tmp_path, 8)
    assert textures.shape == (2, 8, 8, 3)
    assert textures[0, 0, 0].tolist() == [255, 0, 0]
    assert textures[1, 7, 7].tolist() == [0, 0, 255]


def test_a_sampler_gives_the_scenes_batches_by_number():
    config = build_recipe("tiny-test")
    sample_batch = SyntheticSampler.of(config, "train")()
    expected = SyntheticScenes(config.data, config.seed).batch(3)
    assert torch.equal(sample_batch(3).images, expected.images)
    held_out = SyntheticSampler.of(config, "validation")()
    assert not torch.equal(held_out(3).images, expected.images)
