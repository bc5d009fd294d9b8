"""Weight normalization: Salimans & Kingma 2016; Arpit, Campos & Bengio 2019, Sec. 3."""

from torch import nn
from torch.nn.utils import parametrize

from initlab.norm.base import Norm, RowNorm


class Weight(Norm):
    r"""Give each layer the weight :math:`g\, v / \lVert v \rVert`, with g and v learned."""

    def wrap(self, layer: nn.Module) -> nn.Module:
        """Reparametrize one layer in place and return it; g starts as the row norms of the weight."""
        return parametrize.register_parametrization(layer, "weight", RowNorm())
