"""Networks of one architecture, side by side: a matrix of parameters with one row for each network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F

from initlab.errors import ConfigError

PRECISIONS = ("32-true", "64-true", "bf16-mixed")


class Stack:
    """K networks that are computed as one.

    The parameters of network k are row k of a matrix ``(K, P)``, buffers are stacked ``(K, ...)``. An
    operation of the network's ``forward`` becomes one operation for all K (``torch.func.vmap``), so that no
    value of one network can reach another, not even NaN.

    Args:
        models: of equal architecture; they are copied.
        device: where they are computed.
        precision: as Lightning's ``trainer.precision``, one of ``PRECISIONS``.
    """

    def __init__(self, models: Sequence[nn.Module], device: torch.device, precision: str = "32-true") -> None:
        dtype = torch.float64 if precision == "64-true" else None
        self.precision = precision
        self.template = models[0].to(device, dtype)  # runs the forward pass; its own values are not read
        self.names = [name for name, _ in self.template.named_parameters()]
        self.shapes = [parameter.shape for parameter in self.template.parameters()]
        self.sizes = [shape.numel() for shape in self.shapes]
        rows = [torch.cat([p.detach().flatten() for p in m.to(device, dtype).parameters()]) for m in models]
        self.parameters = torch.stack(rows)
        states = [dict(model.to(device, dtype).named_buffers()) for model in models]
        self.buffers = {name: torch.stack([state[name] for state in states]) for name in states[0]}

    def __len__(self) -> int:
        return len(self.parameters)

    @property
    def device(self) -> torch.device:
        """Where the networks are computed."""
        return self.parameters.device

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with some of the networks."""
        index = torch.tensor(rows, device=self.device)
        self.parameters = self.parameters[index]
        self.buffers = {name: values[index] for name, values in self.buffers.items()}

    def leaves(self) -> list[Tensor]:
        """Return the parameters as views ``(K, *shape)`` to take gradients of, in the network's order."""
        parts = self.parameters.split(self.sizes, 1)
        return [part.view(len(self), *shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def gradients(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return each network's mean cross-entropy (nats), its logits, and its gradient.

        Args:
            inputs: ``(K, N, ...)``, a batch for each.
            labels: ``(K, N)``.

        Returns:
            Losses ``(K,)``, logits ``(K, N, num_classes)``, gradients ``(K, P)``.

        Raises:
            ConfigError: the network draws random numbers while it trains.
        """
        self.template.train()
        leaves = [leaf.detach().requires_grad_() for leaf in self.leaves()]
        try:
            with self._precision():
                losses, logits = vmap(self._loss)(leaves, self.buffers, self._cast(inputs), labels)
        except RuntimeError as error:
            if "random" in str(error) and "vmap" in str(error):
                raise ConfigError(
                    "sweep.population: this network draws random numbers while it trains, which a run can do "
                    "only by itself; leave it at null"
                ) from error
            raise
        # The gradient of the sum is each network's own, since none depends on another's loss.
        parts = torch.autograd.grad(losses.sum(), leaves)
        return losses.detach(), logits.detach(), torch.cat([part.reshape(len(self), -1) for part in parts], 1)

    @torch.no_grad()
    def evaluate(self, inputs: Tensor, labels: Tensor, at_a_time: int) -> tuple[Tensor, Tensor]:
        """Return each network's mean cross-entropy ``(K,)`` and logits on one batch that they share.

        Args:
            inputs: ``(N, ...)``.
            labels: ``(N,)``.
            at_a_time: networks that are computed as one, for memory's sake.
        """
        self.template.eval()
        evaluated = vmap(self._loss, in_dims=(0, 0, None, None), chunk_size=at_a_time)
        with self._precision():
            losses, logits = evaluated(self.leaves(), self.buffers, self._cast(inputs), labels)
        return losses, logits

    def state_dict(self, row: int) -> OrderedDict[str, Tensor]:
        """Return what the ``state_dict`` of one network would be, on the CPU."""
        parameters = self.named(self.parameters[row])
        values = {**parameters, **{name: values[row].cpu() for name, values in self.buffers.items()}}
        return OrderedDict((name, values[name].clone()) for name in self.template.state_dict())

    def load_state_dict(self, row: int, state: Mapping[str, Tensor]) -> None:
        """Set one network to a state."""
        self.parameters[row] = torch.cat([state[name].flatten() for name in self.names])
        for name in self.buffers.keys() & state.keys():
            self.buffers[name][row] = state[name]

    def named(self, row: Tensor) -> dict[str, Tensor]:
        """Name the parts of a vector ``(P,)``, on the CPU: parameters, or what belongs to each."""
        parts = zip(self.names, row.cpu().split(self.sizes), self.shapes, strict=True)
        return {name: part.view(shape) for name, part, shape in parts}

    def _loss(
        self, leaves: Sequence[Tensor], buffers: Mapping[str, Tensor], inputs: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        state = {**dict(zip(self.names, leaves, strict=True)), **buffers}
        logits: Tensor = functional_call(self.template, state, (inputs,))
        return F.cross_entropy(logits, labels), logits

    def _cast(self, inputs: Tensor) -> Tensor:
        return inputs.double() if self.precision == "64-true" else inputs

    def _precision(self) -> AbstractContextManager[object]:
        mixed = self.precision == "bf16-mixed"
        return torch.autocast(self.device.type, torch.bfloat16) if mixed else nullcontext()
