"""From relative poses of pairs to one pose for each view, in closed form.

Rotations are carried from the reference to every view along all paths at once: a power of the
matrix of all relative rotations, weighted by how far each is trusted (Singer 2011; Arie-Nachimson
et al. 2012). Positions follow from directions whose lengths are found in turn with the positions
and are kept from vanishing (as in LUD, Ozyesil and Singer 2015). A view that shares nothing with
the reference is thus placed through the views between them, and pairs that agree outvote one that
does not. Nothing here waits for a device.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.transforms import rotation_from_quat_xyzw
from glance3d.models.correspondence.small_matrices import turning_rotation
from glance3d.models.correspondence.two_view import pair_rotation
from glance3d.nn.tables import constant

_SQUARINGS = 6  # paths of up to 64 pairs
_ROUNDS = 12  # of lengths and positions in turn
_LEAST_TRUST = 1e-4  # keeps views that nothing is known of in place, near the others
_USUAL_DISTANCE = 0.3  # of cameras from the reference, in units of the scene


@torch.no_grad()
def synchronise(
    pair_pose: Float[Tensor, "batch views views 9"], trust: Float[Tensor, "batch views views"]
) -> Float[Tensor, "batch views 9"]:
    """Pose encodings of all views against the first, from those of all pairs.

    ``pair_pose[b, v, w]`` is ``camw_from_camv`` (the translation's length says nothing) and the
    fields of view of ``v``; ``trust`` is not negative. Translations are as long as cameras usually
    are apart.
    """
    with torch.autocast(pair_pose.device.type, enabled=False):
        pair_pose, trust = pair_pose.double(), trust.double() + _LEAST_TRUST
        trust = trust * (1 - torch.eye(trust.shape[-1], dtype=trust.dtype, device=trust.device))
        quaternion = synchronise_rotations(pair_rotation(pair_pose), trust)
        rotation = rotation_from_quat_xyzw(quaternion)
        towards = F.normalize(pair_pose[..., :3], dim=-1)
        # Where camera v is seen from w, in the reference's frame.
        towards = (rotation[:, None].mT @ towards[..., None])[..., 0]
        centers = synchronise_positions(towards, trust)
        distance = centers.norm(dim=-1).mean(-1)[:, None, None].clamp(min=1e-9)
        translation = -(rotation @ (centers * (_USUAL_DISTANCE / distance))[..., None])[..., 0]
        share = trust / trust.sum(-1, keepdim=True)
        fields_of_view = (share[..., None] * pair_pose[..., 7:]).sum(2)
    return torch.cat([translation, quaternion, fields_of_view], -1).float()


def synchronise_rotations(
    relative: Float[Tensor, "batch views views 3 3"], trust: Float[Tensor, "batch views views"]
) -> Float[Tensor, "batch views 4"]:
    """Quaternions x y z w of ``cam_from_first``, from ``relative[b, v, w]``, ``camw_from_camv``."""
    batch, views = trust.shape[:2]
    weighted = trust[..., None, None] * relative
    both = weighted.transpose(1, 2) + weighted.mT  # [b, w, v]: from v's frame to w's
    degree = (trust + trust.mT).sum(-1).rsqrt()
    both = both * (degree[:, :, None] * degree[:, None])[..., None, None]
    matrix = both.permute(0, 1, 3, 2, 4).reshape(batch, 3 * views, 3 * views)
    # Half of what a view is told is what it knew: paths of even and of odd length both count.
    power = (matrix + torch.eye(3 * views, dtype=matrix.dtype, device=matrix.device)) / 2
    for _ in range(_SQUARINGS):
        power = power @ power
    from_first = power[..., :3].unflatten(1, (views, 3))
    size = from_first.square().sum((-1, -2), keepdim=True).sqrt().clamp(min=1e-30)
    quaternion = turning_rotation(from_first / (3**0.5 * size))
    identity = constant((0.0, 0.0, 0.0, 1.0), trust.device).expand(batch, 1, -1)
    return torch.cat([identity, quaternion[:, 1:]], 1)


def synchronise_positions(
    towards: Float[Tensor, "batch views views 3"], trust: Float[Tensor, "batch views views"]
) -> Float[Tensor, "batch views 3"]:
    """Camera centres, the first at zero, from unit directions of camera ``v`` seen from ``w``.

    Minimises ``sum trust |c_v - c_w - length * towards[v, w]|^2`` with lengths of at least one, so
    that the answer has a size of its own and does not collapse.
    """
    both = trust + trust.mT
    laplacian = torch.diag_embed(both.sum(-1)) - both
    inner = laplacian[:, 1:, 1:]
    inner = inner + 1e-9 * torch.eye(inner.shape[-1], dtype=inner.dtype, device=inner.device)
    factor = torch.linalg.cholesky_ex(inner).L
    lengths = torch.ones_like(trust)
    centers = towards.new_zeros(*trust.shape[:2], 3)
    for _ in range(_ROUNDS):
        pull = (trust * lengths)[..., None] * towards
        wanted = pull.sum(2) - pull.sum(1)
        centers = F.pad(torch.cholesky_solve(wanted[:, 1:], factor), (0, 0, 1, 0))
        apart = centers[:, :, None] - centers[:, None]
        lengths = (apart * towards).sum(-1).clamp(min=1.0)
    return centers


def scene_focal_length(
    pair_pose: Float[Tensor, "batch views views 9"],
    trust: Float[Tensor, "batch views views"],
    image_size: tuple[int, int],
) -> Float[Tensor, " batch"]:
    """One focal length for all views of a scene, in half diagonals, from what all pairs say.

    ``image_size`` is (height, width).
    """
    share = trust / trust.sum((1, 2), keepdim=True).clamp(min=1e-9)
    halves = ((share[..., None] * pair_pose[..., 7:]).sum((1, 2)) / 2).clamp(0.05, 1.5)
    height, width = image_size
    focal = (height / halves[:, 0].tan() + width / halves[:, 1].tan()) / 4
    return focal / ((height**2 + width**2) ** 0.5 / 2)
