"""Arithmetic-mean initialization, the ReLU-corrected Xavier: Defazio & Bottou, Sec. 6.1, Eq. 6."""

from dataclasses import dataclass
from typing import ClassVar

from initlab.init.second_moment import SecondMoment
from initlab.site import Site


@dataclass(frozen=True)
class Arithmetic(SecondMoment):
    r"""Normal weights with :math:`E[W^2] = 2 c / (k^2 (n_\mathrm{in} + n_\mathrm{out}))`, biases 0.

    With c = 2 this is the 4 / (...) of the paper, twice the variance of ``torch.nn.init.xavier_normal_``.

    Args:
        c: the constant in the formula.
        output_std: standard deviation of the logits over one batch; null leaves the logits alone. It needs
            a model with ``layer_scales=true``.
    """

    formula: ClassVar[str] = "E[W²] = 2c / (k² (n_in + n_out)), c = 2; b = 0"
    held_by: ClassVar[str] = "test_the_second_moment_is_the_papers"

    def second_moment(self, site: Site) -> float:
        """Return the variance of the weights of one layer."""
        return 2 * self.c / (site.fan_in + site.fan_out)
