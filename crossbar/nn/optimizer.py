"""`PulseOptimizer`: an optimizer of torch whose steps are pulses, and nothing else."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from device_models.errors import ConfigError, LimitError, ShapeError
from device_models.record import Record, Tagged, did_you_mean, shown
from device_models.streams import torch_stream

from ..mappings import MAPPINGS
from ..synapses.optimizers import OPTIMIZERS, Optimizer
from ..synapses.policies import POLICIES
from ..synapses.policies.compatibility import check_serving, default_policy
from ..synapses.policies.policy import Policy
from .array import CrossbarArray
from .module import ArrayModule

Arrays = torch.nn.Module | Iterable[torch.nn.Module] | Iterable[dict[str, Any]]


class PulseOptimizer(torch.optim.Optimizer):
    """Turns the gradients of arrays into pulses; schedulers of torch set its rate.

    A step reads the weights back when that is due, lets the rule (`adam`, ...) say which change of
    weights is wanted and the policy which pulses that is worth, sends them, and takes the gradient
    away: one gradient is pulsed once. Digital numbers, biases and what neurons have of their own,
    are ordinary Parameters: hand them to an optimizer of torch beside this one.

        >>> import torch
        >>> from crossbar import nn
        >>> layer = nn.Linear(6, 3, device="oxram.yaml", seed=1)
        >>> optimizer = nn.PulseOptimizer(layer, lr=0.01)
        >>> before = layer.counters
        >>> layer(torch.ones(2, 6)).square().sum().backward()
        >>> optimizer.step()
        >>> (layer.counters - before).programmed_devices > 0
        True

    Saving (`state_dict`) makes the next step read back, here as where it is loaded: both go on
    alike, pulse by pulse.

    Source:
        That of each rule is in `crossbar.synapses.optimizers`, of each policy in its file of
        `crossbar.synapses.policies`.
    """

    def __init__(
        self,
        arrays: Arrays,
        lr: float | None = None,
        *,
        policy: str | Record | None = None,
        optimizer: str = "adam",
        readback_every: int | None = None,
    ) -> None:
        """Take the arrays of a model.

        Args:
            arrays: A module, some, or groups `{"params": module, "lr": rate}`: all layers on
                arrays in them are trained, whatever else they have is not.
            lr: Learning rate, weight units; None: that of the rule.
            policy: How wanted changes become pulses: a name of `crossbar.synapses.policies`, or
                its Options; None: as the device asks for.
            optimizer: The rule, a name of `crossbar.synapses.optimizers.OPTIMIZERS`.
            readback_every: Steps between two read-backs; None: as the `Reads` of each layer say.

        Raises:
            ConfigError: There is no such rule or policy, the device cannot serve it, or there is
                no array; nothing was sent.
        """
        if optimizer not in OPTIMIZERS:
            near = did_you_mean(str(optimizer), OPTIMIZERS)
            raise ConfigError(
                f"optimizer must be one of {', '.join(OPTIMIZERS)}, not {shown(optimizer)}{near}; "
                "nothing was sent"
            )
        self._rule, self._policy, self._every = OPTIMIZERS[optimizer], policy, readback_every
        self._trainers: dict[Tensor, ArrayTrainer] = {}
        rate = self._rule.Options().first_rate if lr is None else lr
        super().__init__(_groups(arrays), {"lr": rate})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take the arrays of more modules, see `PulseOptimizer`.

        Raises:
            ConfigError: There is none in them, or what was given is no module.
        """
        modules = arrays_of(param_group["params"])
        fresh = {}
        for module in modules:
            fresh[module.matrix] = ArrayTrainer(module, self._rule, self._policy, self._every)
        super().add_param_group(param_group | {"params": list(fresh)})
        self._trainers |= fresh

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Send the pulses that the gradients ask for; layers without a gradient get none.

        Args:
            closure: Computes the loss anew, as torch's optimizers have it.

        Returns:
            What the closure gave.

        Raises:
            LimitError: A gradient or a rate is not finite; nothing was sent.
            HardwareError: The board of a layer was closed; nothing was sent to it.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        due = []
        for group in self.param_groups:
            rate = float(group["lr"])
            if not 0.0 <= rate < float("inf"):
                raise LimitError(f"lr = {rate!r} is no learning rate; nothing was sent")
            due += [(self._trainers[p], p.grad, rate) for p in group["params"]]
        given = [(trainer, grad, rate) for trainer, grad, rate in due if grad is not None]
        for trainer, grad, _ in given:
            # A sum that is finite has finite parts, and takes a twentieth of the time.
            if not math.isfinite(grad.sum()) and not bool(torch.isfinite(grad).all()):
                raise LimitError(
                    f"a gradient of the layer {trainer.title} is not finite; nothing was sent"
                )
        for trainer, grad, rate in given:
            trainer.learn(grad, rate)
            trainer.module.matrix.grad = None
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Moments, accumulators and targets of all layers, and the groups, as torch has it."""
        for matrix, trainer in self._trainers.items():
            self.state[matrix] = trainer.state()
        saved = super().state_dict()
        self.state.clear()
        return saved

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was taken.

        Raises:
            ShapeError: It is of other layers, rules or policies; nothing was loaded.
        """
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= {*state_dict}:
            raise ShapeError(
                "a state of a PulseOptimizer has `state` and `param_groups`, as its state_dict() "
                "gives them; nothing was loaded"
            )
        saved: Mapping[int, dict[str, Tensor]] = state_dict["state"]
        for number, trainer in enumerate(self._trainers.values()):
            trainer.check(saved.get(number, {}))
        try:
            super().load_state_dict({"state": {}, "param_groups": state_dict["param_groups"]})
        except (ValueError, KeyError) as e:
            raise ShapeError(f"{e}; nothing was loaded") from e
        for number, trainer in enumerate(self._trainers.values()):
            trainer.restore(saved[number])

    def __getstate__(self) -> dict[str, Any]:
        """Refuse to be copied or pickled: policies hold on to their arrays.

        Raises:
            ConfigError: Always; says what to do.
        """
        raise ConfigError(
            "a PulseOptimizer cannot be copied or pickled: make one of the copied model and give "
            "it state_dict() of this one; nothing was copied"
        )


class ArrayTrainer:
    """Rule, policy and read-backs of one array.

    Attributes:
        module: The layer.
        title: What messages call it.
    """

    def __init__(
        self,
        module: ArrayModule,
        rule: type[Optimizer],
        policy: str | Record | None,
        readback_every: int | None,
    ) -> None:
        """Begin without a past; arguments as `PulseOptimizer`.

        Raises:
            ConfigError: The policy is none, or is none for this device.
        """
        self.module, array = module, module.array
        recipe = array.recipe
        self.title = f"{type(module).__name__}({module.extra_repr()})"
        self._rule = rule(recipe.mapping.shape)
        self._policy = _policy(policy, array)
        self._generator = torch_stream("policy", recipe.seed, recipe.index)
        reads = recipe.hardware.reads
        self._every = readback_every or reads.readback_every
        self._calibrate_every = recipe.hardware.periphery.adc_calibrate_every
        self._updates, self._is_due = 0, True

    def learn(self, gradient: Tensor, rate: float) -> None:
        """Send the pulses that a gradient (rows, outputs) of the mean loss asks for."""
        if rate == 0.0:  # nothing is wanted, not even what a policy would mend
            return
        array = self.module.array
        array.check_open()  # before the rule moves on
        numbers = np.array(gradient.detach().cpu().numpy(), np.float32, order="C")
        estimate = None if self._is_due or self._updates % self._every == 0 else array.estimate
        if estimate is None:
            estimate, self._is_due = array.read_back(), False
        if self._updates and self._updates % self._calibrate_every == 0:
            array.forget_range()
        self._updates += 1
        wanted = self._rule.wanted(numbers, rate)
        pulses = self._policy.update(wanted, estimate, generator=self._generator)
        if pulses is not None:
            array.pulse(pulses)

    def state(self) -> dict[str, Tensor]:
        """All that the next step follows from, by name; the next step reads back."""
        self._is_due = True
        self._policy.begin_epoch()
        own = {f"policy.{name}": part.clone() for name, part in self._policy.state().items()}
        own |= {f"rule.{name}": part.clone() for name, part in self._rule.state().items()}
        return own | {
            "updates": torch.tensor(self._updates),
            "generator": self._generator.get_state(),
        }

    def check(self, state: Mapping[str, Tensor]) -> None:
        """Refuse a state of another layer, rule or policy.

        Raises:
            ShapeError: It is one.
        """
        shape = self.module.array.recipe.mapping.shape
        for name, part in self.state().items():
            there = state.get(name)
            shapes = [part.shape, *([torch.Size(shape)] if not part.numel() else [])]
            if there is None or there.dtype != part.dtype or there.shape not in shapes:
                kind = "nothing" if there is None else f"{there.dtype} of {tuple(there.shape)}"
                raise ShapeError(
                    f"the state of {self.title} needs {name}, {part.dtype} of "
                    f"{tuple(part.shape)}, and has {kind}; nothing was loaded"
                )

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up a state that `check` let pass."""
        parts = {name: part.clone() for name, part in state.items()}
        self._policy.restore(_named(parts, "policy."))
        self._policy.begin_epoch()
        self._rule.restore(_named(parts, "rule."))
        self._updates, self._is_due = int(parts["updates"]), True
        self._generator.set_state(parts["generator"])


def arrays_of(modules: Any) -> list[ArrayModule]:
    """The layers on arrays in some modules, each once.

    Raises:
        ConfigError: There is none, or something is no module.
    """
    every = [modules] if isinstance(modules, torch.nn.Module) else list(modules)
    for each in every:
        if not isinstance(each, torch.nn.Module):
            raise ConfigError(
                f"PulseOptimizer trains layers on arrays, not {type(each).__name__}: give it the "
                "model, and its parameters() to an optimizer of torch; nothing was sent"
            )
    layers = [m for each in every for m in each.modules() if isinstance(m, ArrayModule)]
    if not layers:
        raise ConfigError(
            "there is no layer on an array in what was given; crossbar.nn.from_torch makes some; "
            "nothing was sent"
        )
    return list(dict.fromkeys(layers))


def _groups(arrays: Arrays) -> list[dict[str, Any]]:
    """What was given as groups of torch."""
    if isinstance(arrays, torch.nn.Module):
        return [{"params": arrays}]
    every: list[Any] = list(arrays)
    if every and all(isinstance(each, dict) for each in every):
        return every
    return [{"params": every}]


def _policy(policy: str | Record | None, array: CrossbarArray) -> Policy:
    """The policy of one array; arguments as `PulseOptimizer`."""
    recipe = array.recipe
    name = default_policy(recipe.sheet) if policy is None else policy
    if isinstance(name, str):
        if name not in POLICIES:
            raise ConfigError(
                f"policy must be one of {', '.join(POLICIES)}, not {shown(name)}"
                f"{did_you_mean(name, POLICIES)}; nothing was sent"
            )
        options: Any = POLICIES[name].Options()
    else:
        options = name
        name = Tagged(POLICIES).name_of(options)
    mapping_name = Tagged(MAPPINGS).name_of(recipe.mapping.options)
    check_serving(recipe.device, recipe.sheet, name, mapping_name, recipe.mapping)
    return POLICIES[name].build(array.synapses, options, array.policy_board())


def _named(parts: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    """The parts whose names start so, by the rest of their name."""
    return {n.removeprefix(start): part for n, part in parts.items() if n.startswith(start)}
