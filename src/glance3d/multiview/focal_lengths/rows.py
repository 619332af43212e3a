"""The best of a row of values that were tried, and a little to the side of it."""

from jaxtyping import Float
from torch import Tensor


def parabola_peak(values: Float[Tensor, "batch steps"]) -> Float[Tensor, " batch"]:
    """Where a parabola through the largest value and its neighbours is highest, in steps."""
    largest = values.argmax(-1, keepdim=True).clamp(1, values.shape[-1] - 2)
    before, at, after = (values.gather(-1, largest + step)[..., 0] for step in (-1, 0, 1))
    # The vertex of the parabola through (-1, before), (0, at), (1, after).
    bend = (2 * at - before - after).clamp(min=1e-9)
    return largest[..., 0] + ((after - before) / (2 * bend)).clamp(-1, 1)
