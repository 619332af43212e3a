"""Semi-global matching (Hirschmueller 2008): a smooth surface through a volume of costs."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad


def smooth_costs(
    costs: Float[Tensor, "height width planes"],
    guide: Float[Tensor, "height width"],
    small_step: float,
    large_step: float,
    edge: float,
) -> Float[Tensor, "height width planes"]:
    """Mean cost of the best paths that reach every pixel and plane from eight sides.

    From one pixel to the next a path pays ``small_step`` to change by one plane and up to
    ``large_step`` to change by more; less where ``guide`` changes too: half where by ``edge``.
    """
    total = torch.zeros_like(costs)
    across = total.transpose(0, 1), costs.transpose(0, 1), guide.transpose(0, 1)
    for backwards in (False, True):
        for shift in (-1, 0, 1):
            _add_paths(total, costs, guide, backwards, shift, (small_step, large_step, edge))
        _add_paths(*across, backwards, 0, (small_step, large_step, edge))
    return total.div_(8)


def _add_paths(
    total: Float[Tensor, "rows columns planes"],
    costs: Float[Tensor, "rows columns planes"],
    guide: Float[Tensor, "rows columns"],
    backwards: bool,
    shift: int,
    penalties: tuple[float, float, float],
) -> None:
    """Add to ``total`` the paths that run row by row, ``shift`` columns aside at each step."""
    small_step, large_step, edge = penalties
    rows = range(len(costs))
    path, previous = None, None
    for row in reversed(rows) if backwards else rows:
        if path is None or previous is None:
            path = costs[row].clone()
        else:
            before, guide_before = _moved(path, shift), _moved(previous, shift)
            lowest = before.amin(-1, keepdim=True)
            change = (guide[row] - guide_before).abs_()
            jump = (large_step / (1 + change / edge)).clamp_(min=small_step)
            best = torch.minimum(before, lowest + jump[:, None])
            stepped = pad(before + small_step, (1, 1), value=torch.inf)
            best = torch.minimum(best, torch.minimum(stepped[:, :-2], stepped[:, 2:]))
            path = best.sub_(lowest).add_(costs[row])
        previous = guide[row]
        total[row] += path


def _moved(values: Tensor, shift: int) -> Tensor:
    """Column ``i`` of the result is column ``i - shift``, the outermost one repeated."""
    if shift > 0:
        return torch.cat([values[:1], values[:-1]])
    if shift < 0:
        return torch.cat([values[1:], values[-1:]])
    return values
