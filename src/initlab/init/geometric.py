"""Geometric-mean initialization: Defazio & Bottou, Sec. 6, Eq. 2 and Remark 6."""

from dataclasses import dataclass
from typing import ClassVar

from initlab.init.second_moment import SecondMoment
from initlab.site import Site


@dataclass(frozen=True)
class Geometric(SecondMoment):
    r"""Normal weights with :math:`E[W^2] = c / (k^2 \sqrt{n_\mathrm{in} n_\mathrm{out}})`, biases 0.

    Here :math:`n` counts channels and :math:`k^2` kernel taps. Layers of one kernel size then have one GR
    scaling (Prop. 5), and the weight-to-gradient ratios are equal too (Prop. 4). With c = 2 the biases are
    balanced as well; otherwise their GR scaling changes by :math:`4 / c^2` from each layer to the next.

    Args:
        c: the constant in the formula.
        output_std: standard deviation of the logits over one batch; null leaves the logits alone. It needs
            a model with ``layer_scales=true``.
    """

    formula: ClassVar[str] = "E[W²] = c / (k² √(n_in n_out)), c = 2; b = 0"
    held_by: ClassVar[str] = "test_measured_gr_scalings_follow_the_closed_form"

    def second_moment(self, site: Site) -> float:
        """Return the variance of the weights of one layer."""
        return self.c / (site.fan_in * site.fan_out) ** 0.5
