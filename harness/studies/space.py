"""A search space as a value: its parameters, what lies in it, and Optuna's distributions. No torch, no files."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from harness.core.defaults import LESSON, OPTIONAL, OWN_MOMENTUM, SamplerChoice
from harness.core.errors import UserError
from harness.core.network import PREFIX, NetworkFile, label
from harness.studies.domains import Choices, Range, WholeRange, ends_of, is_whole, shown

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

# Ends that cannot be widened: a best value there is not worth a warning.
_NATURAL_END = {"gamma": 0.0, "epochs": 1, "batch_size": 1, "hidden": 1, "weight_decay": 0.0, "warmup_epochs": 0}
_MOST_POINTS = 10_000  # of a grid, which is laid out anew for each trial
_FEWEST_FOR_CMA = 2  # of numbers: a covariance
_EDGE_SHARE = 0.02


class Space(BaseModel):
    """The domain of each searched parameter; the other parameters keep their value in `fixed`.

    A field that is in neither keeps its default. `network` is the user's own, whose hyperparameters are
    `network_params.…`; None is the lesson's.
    """

    model_config = ConfigDict(frozen=True)
    searched: dict[str, WholeRange | Range | Choices]
    fixed: dict[str, Any]
    network: NetworkFile | None = Field(default=None, exclude=True)  # a setting of its own

    def distributions(self) -> dict[str, "BaseDistribution"]:
        """The space as Optuna distributions, in the order of the config's fields."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        result: dict[str, BaseDistribution] = {}
        for name, domain in self.searched.items():
            if isinstance(domain, Choices):
                result[name] = CategoricalDistribution(domain.choices)
            elif is_whole(name, domain):
                result[name] = IntDistribution(int(domain.low), int(domain.high), log=domain.log)
            else:
                result[name] = FloatDistribution(domain.low, domain.high, log=domain.log)
        return result

    def text(self) -> str:
        """`lr 0.001 to 1 (log) · batch_size 32, 64 · …`, and the fixed parameters."""
        parts = [f"network {self.network}"] if self.network else []
        parts += [f"{label(name)} {domain.text()}" for name, domain in self.searched.items()]
        return " · ".join([*parts, *(f"{label(name)} {shown(value)}, fixed" for name, value in self.fixed.items())])

    def outside(self, params: Mapping[str, Any]) -> list[str]:
        """The names of the `params` whose value is not in this space."""
        return [name for name, value in params.items() if not self._holds(name, value)]

    @property
    def names(self) -> list[str]:
        """The parameters that are searched or fixed here: those of a config in its order, then the network's own."""
        here = self.searched | self.fixed
        own = sorted(name for name in here if name.startswith(PREFIX))
        return [*(name for name in LESSON | OPTIONAL if name in here), *own]

    @property
    def lesson(self) -> dict[str, Any]:
        """The lesson's value of each parameter that is searched or fixed here."""
        return {name: value for name, value in (LESSON | OPTIONAL).items() if name in self.searched | self.fixed}

    @property
    def lesson_outside(self) -> list[str]:
        """What keeps the lesson's own setting out of this space: the network, or parameters; [] if it is inside."""
        return ["network"] if self.network else self.outside(self.lesson)

    def network_examples(self) -> list[dict[str, Any]]:
        """Params with which to try the network: each choice and each end of a range of its own hyperparameters, and
        each batch size."""
        ends = {name: ends_of(name, domain) for name, domain in self.searched.items()}
        first = self.effective(LESSON | self.fixed | {name: values[0] for name, values in ends.items()})
        tried = {name: values for name, values in ends.items() if name.startswith(PREFIX) or name == "batch_size"}
        return [first, *(first | {name: value} for name, values in tried.items() for value in values[1:])]

    def effective(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`params` of a trial, in which a searched one that its optimizer does not have is 0 or off."""
        return {**params, **self._unused(params)}

    def _unused(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The searched parameters that the optimizer of `params` does not have, at the value that means so.

        If no optimizer of the space has one, it stays as it is, and its config is refused.
        """
        optimizers, gammas = self.ends("optimizer") or ["sgd"], self.ends("gamma") or [LESSON["gamma"]]
        optimizer, unused = params.get("optimizer", optimizers[0]), dict[str, Any]()
        if "gamma" in self.searched and optimizer in OWN_MOMENTUM and not set(optimizers) <= set(OWN_MOMENTUM):
            unused["gamma"] = 0.0
        has_momentum = optimizer == "sgd" and params.get("gamma", gammas[0]) > 0
        if "nesterov" in self.searched and not has_momentum and "sgd" in optimizers and max(gammas) > 0:
            unused["nesterov"] = False
        return unused

    def ends(self, name: str) -> list[Any]:
        """Each choice or both ends of a parameter, or its fixed value; [] if it is neither searched nor fixed here."""
        if name in self.searched:
            return ends_of(name, self.searched[name])
        return [self.fixed[name]] if name in self.fixed else []

    def check_sampler(self, sampler: SamplerChoice, trials: int) -> None:
        """Raise `UserError` if this sampler cannot search this space."""
        ranges = sum(isinstance(domain, Range) for domain in self.searched.values())
        if sampler == "cmaes" and ranges < _FEWEST_FOR_CMA:
            raise UserError(
                f"--sampler is 'cmaes': it needs at least {_FEWEST_FOR_CMA} ranges, and the search space has {ranges}"
            )
        if sampler == "grid" and trials > (points := math.prod(map(len, self.grid().values()))):
            raise UserError(
                f"--trials is {trials}: it should be at most {points}, the points of this search space's grid"
            )

    def grid(self) -> dict[str, list[Any]]:
        """The values of each searched parameter.

        Raises `UserError` if one is a range of real numbers, or if there are too many points.
        """
        values: dict[str, Sequence[Any]] = {}
        for name, domain in self.searched.items():
            if isinstance(domain, Choices):
                values[name] = domain.choices
            elif is_whole(name, domain):
                values[name] = range(int(domain.low), int(domain.high) + 1)
            else:
                raise UserError(f"--sampler is 'grid': {label(name)} is a range; give it choices in the search space")
        points = math.prod(map(len, values.values()))
        if points > _MOST_POINTS:
            raise UserError(
                f"--sampler is 'grid': the grid has {points:,} points; it should have at most {_MOST_POINTS:,}"
            )
        return {name: list(some) for name, some in values.items()}

    def largest_batch(self) -> int:
        """The largest batch_size that a search of this space can propose."""
        domain = self.searched.get("batch_size")
        if domain is None:
            return int(self.fixed["batch_size"])
        return max(int(choice) for choice in domain.choices) if isinstance(domain, Choices) else int(domain.high)

    def with_batches_up_to(self, most: int) -> "Space":
        """The space without larger values of batch_size; unchanged if none would be left."""
        domain = self.searched.get("batch_size")
        if isinstance(domain, Choices) and (fitting := [size for size in domain.choices if int(size) <= most]):
            return self.model_copy(update={"searched": self.searched | {"batch_size": Choices(choices=fitting)}})
        return self

    def at_edge(self, params: Mapping[str, Any]) -> dict[str, str]:
        """The parameters whose best value is at an end of their range: name → "low" or "high".

        An end is the outermost 2 % of a range (on its scale), or the smallest or largest of several choices. Ends that
        cannot be widened do not count.
        """
        found = {}
        unused = self._unused(params)
        for name, domain in self.searched.items():
            if name in unused:
                continue
            low, _, position = self._ends(domain, params[name])
            if position <= _EDGE_SHARE and low != _NATURAL_END.get(name, 0.0):
                found[name] = "low"
            elif position >= 1 - _EDGE_SHARE:
                found[name] = "high"
        return found

    def _holds(self, name: str, value: Any) -> bool:
        domain = self.searched.get(name)
        if domain is None:
            return name in self.fixed and bool(self.fixed[name] == value)
        if isinstance(domain, Choices):
            return any(
                value == choice and isinstance(value, bool) is isinstance(choice, bool) for choice in domain.choices
            )
        kinds = int if is_whole(name, domain) else int | float
        is_number = isinstance(value, kinds) and not isinstance(value, bool)
        return is_number and bool(domain.low <= value <= domain.high)

    @staticmethod
    def _ends(domain: Range | Choices, value: Any) -> tuple[float, float, float]:
        if isinstance(domain, Range):
            return domain.low, domain.high, domain.position(value)
        numbers = [choice for choice in domain.choices if not isinstance(choice, bool | str)]
        if len(numbers) < len(domain.choices) or min(numbers) < value < max(numbers) or len(numbers) == 1:
            return math.nan, math.nan, 0.5
        return min(numbers), max(numbers), float(value == max(numbers))
