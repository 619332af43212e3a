import torch
import torch.nn.functional as F

from glance3d.training.losses.descriptor_lookup import sample_sparsely


def test_equals_grid_sample_with_its_gradient():
    maps = torch.randn(3, 5, 7, 9, requires_grad=True)
    cells = torch.rand(3, 11, 2) * torch.tensor([12.0, 10.0]) - 2  # some beyond the border
    grid = cells[:, :, None] / torch.tensor([8.0, 6.0]) * 2 - 1
    slow = F.grid_sample(maps, grid, padding_mode="border", align_corners=True)[..., 0]
    fast = sample_sparsely(maps, cells)
    torch.testing.assert_close(fast, slow.transpose(1, 2), atol=1e-5, rtol=1e-4)
    weight = torch.randn_like(fast)
    (of_slow,) = torch.autograd.grad((slow.transpose(1, 2) * weight).sum(), maps)
    (of_fast,) = torch.autograd.grad((fast * weight).sum(), maps)
    torch.testing.assert_close(of_fast, of_slow, atol=1e-5, rtol=1e-4)
