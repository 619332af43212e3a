"""A two-layer perceptron with the exact GELU."""

from jaxtyping import Float
from torch import Tensor, nn

from glance3d.nn.precision import Linear


class Mlp(nn.Module):
    """``fc2(gelu(fc1(x)))``."""

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int | None = None) -> None:
        super().__init__()
        self.fc1 = Linear(in_dim, hidden_dim)
        self.fc2 = Linear(hidden_dim, in_dim if out_dim is None else out_dim)

    def forward(self, x: Float[Tensor, "*batch in_dim"]) -> Float[Tensor, "*batch out_dim"]:
        """Both layers, at the precision of their weights."""
        return self.fc2(self.fc1(x, gelu=True))
