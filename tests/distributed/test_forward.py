"""One forward over several ranks against one process."""

import pytest
import torch

from glance3d.datasets import SyntheticConfig, SyntheticScenes
from glance3d.distributed import Group
from glance3d.models import VGGT, Network, build_model, config
from glance3d.models.zoo import load_model
from glance3d.nn.fast.log_sum import attend_with_log_sum, plain_attention_with_log_sum
from tests.distributed.processes import in_ranks

TOLERANCE = 1e-5
# Of cameras from matches, which a change of the weights' last bits moves by as much.
TOLERANCE_OF_MATCHED_CAMERAS = 1e-4
CONFIGS = {"vggt": config.tiny, "da3": config.da3_tiny}
QUERIES = torch.tensor([[30.0, 20.0], [10.5, 40.0]])


def make_network(name: str) -> Network:
    if name == "glance-small":
        return load_model(name, device="cpu", precision="float32")
    torch.manual_seed(0)
    network = build_model(CONFIGS[name]())
    for name, parameter in network.named_parameters():
        # What starts at zero would hide what is gathered wrong; an untrained tracker multiplies
        # the last bits a hundredfold in each update.
        if not name.startswith("track_head"):
            parameter.data.add_(0.02 * torch.randn(parameter.shape))
    if isinstance(network, VGGT) and network.track_head is not None:
        for parameter in network.track_head.tracker.update_transformer.parameters():
            parameter.data.mul_(0.1)
    return network.eval()


def make_images(num_views: int, patch: int) -> torch.Tensor:
    images = torch.rand(num_views, 3, 7, 7, generator=torch.Generator().manual_seed(1))
    size = (4 * patch, 5 * patch)
    return torch.nn.functional.interpolate(images, size, mode="bicubic").clamp(0, 1)


def drawn_scene() -> torch.Tensor:
    """Three views that can be matched."""
    draws = SyntheticConfig(images_per_batch=6, num_views=(3, 3), num_textures=16, texture_size=64)
    return SyntheticScenes(draws).batch(2).images[0]


def forward(
    network: Network,
    num_views: int,
    attention: str = "full",
    tracks: bool = False,
    images: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    if images is None:
        images = make_images(num_views, network.config.patch_size)
    with torch.no_grad():
        predicted = network(images, QUERIES if tracks else None, attention=attention)
    values = vars(predicted)
    return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}


def forward_in_ranks(group: Group, cases: list[tuple]) -> list[dict[str, torch.Tensor]]:
    results = []
    for name, keys, *case in cases:
        group.keys = keys
        results.append(forward(make_network(name), *case))
    return results


def assert_equal(
    ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor], cameras: float = TOLERANCE
) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        error = float((value - theirs[name]).abs().max() / theirs[name].abs().max())
        tolerance = cameras if name.startswith("pose_enc") else TOLERANCE
        assert error < tolerance, f"{name}: {error:.1e}"


# Of three ranks: uneven shares, a rank without a view, two without; then by ring, and thin.
CASES = [
    ("vggt", "gathered", 5, "full", True),
    ("vggt", "ring", 5, "full", True),
    ("vggt", "gathered", 2),
    ("vggt", "ring", 2),
    ("vggt", "gathered", 1),
    ("vggt", "gathered", 10, "thin"),
    ("vggt", "ring", 10, "thin"),
    ("da3", "gathered", 5),
    ("da3", "ring", 4),
    ("da3", "gathered", 2),
    ("da3", "gathered", 1),
    ("da3", "ring", 10, "thin"),
]


@pytest.mark.long
def test_three_ranks_say_what_one_process_says():
    alone = [forward(make_network(name), *case) for name, _, *case in CASES]
    for of_rank in in_ranks(3, forward_in_ranks, CASES):
        for ours, theirs in zip(of_rank, alone, strict=True):
            assert_equal(ours, theirs)


@pytest.mark.long
def test_two_ranks_match_as_one_process_does():
    case = (3, "full", True, drawn_scene())
    alone = forward(make_network("glance-small"), *case)
    for (ours,) in in_ranks(2, forward_in_ranks, [("glance-small", "gathered", *case)]):
        assert_equal(ours, alone, TOLERANCE_OF_MATCHED_CAMERAS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_and_the_logarithm_of_its_sums(dtype: torch.dtype):
    q, k, v = (torch.randn(1, 2, n, 16).to(dtype) for n in (7, 9, 9))
    wanted = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    sums = (q.float() @ k.float().mT * 16**-0.5).logsumexp(-1)
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    for attend in (attend_with_log_sum, plain_attention_with_log_sum):
        out, log_sums = attend(q, k, v)
        torch.testing.assert_close(out, wanted, atol=tolerance, rtol=tolerance)
        torch.testing.assert_close(log_sums.float(), sums, atol=tolerance, rtol=tolerance)
