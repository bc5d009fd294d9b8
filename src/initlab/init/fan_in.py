"""Fan-in initialization: Defazio & Bottou, Sec. 6.1, Eq. 5; He et al. 2015."""

from dataclasses import dataclass
from typing import ClassVar

from initlab.init.second_moment import SecondMoment
from initlab.site import Site


@dataclass(frozen=True)
class FanIn(SecondMoment):
    r"""Normal weights with :math:`E[W^2] = c / (k^2 n_\mathrm{in})`, biases 0.

    Keeps the second moment of activations. The GR scaling of a layer relative to the one before is
    :math:`n_{l+1}^2 / (n_l n_{l+2})` for layer widths :math:`n_l, n_{l+1}, n_{l+2}`.

    Args:
        c: the constant in the formula.
        output_std: standard deviation of the logits over one batch; null leaves the logits alone. It needs
            a model with ``layer_scales=true``.
    """

    formula: ClassVar[str] = "E[W²] = c / (k² n_in), c = 2; b = 0"
    held_by: ClassVar[str] = "test_the_second_moment_is_the_papers"

    def second_moment(self, site: Site) -> float:
        """Return the variance of the weights of one layer."""
        return self.c / site.fan_in
