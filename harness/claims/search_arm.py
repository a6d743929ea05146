"""An arm that is a search: its settings, and one of its searches as MLflow records it. Runs nothing."""

import hashlib
import json
from collections.abc import Mapping
from itertools import product
from typing import Any, NamedTuple

from harness.core.config import make_config
from harness.core.defaults import LESSON, PrunerChoice, SamplerChoice
from harness.core.network import NetworkFile
from harness.engines.cost import cost
from harness.studies.request import USUAL_FINALS, USUAL_ROUND, SearchPlan
from harness.studies.space import Space

# What identifies a search. Its run has other params too, as the device.
PARAMS = ("dataset", "seed", "sampler", "pruner", "trials", "space_sha256", "network", "network_sha256")


class SpaceFile(NamedTuple):
    """The file of a search space: its name, its text, and the space that it says."""

    name: str
    text: str
    space: Space


class SearchSettings(NamedTuple):
    """What `harness.search` is told by --sampler, --pruner, --trials and --space."""

    sampler: SamplerChoice
    pruner: PrunerChoice
    trials: int
    file: SpaceFile

    @property
    def space(self) -> Space:
        """The search space."""
        return self.file.space

    @property
    def texts(self) -> dict[str, str]:
        """The files that define the search, by name."""
        network = self.space.network
        return {self.file.name: self.file.text} | ({network.file: network.text} if network else {})

    @property
    def plan(self) -> SearchPlan:
        """What the search does: beyond these settings, what `harness.search` usually does."""
        return SearchPlan(self.trials, USUAL_ROUND, self.sampler, self.pruner, USUAL_FINALS, is_stored=False)

    @property
    def runs(self) -> int:
        """The number of runs: the trials, those that confirm the best ones, and the tests of winner and lesson."""
        return self.trials + USUAL_FINALS.confirm * USUAL_FINALS.confirm_seeds + 2 * USUAL_FINALS.winner_seeds

    def cost(self, training_images: int) -> float:
        """About what the search costs, in images: as if each of its runs had the mean length of those in its space."""
        lengths = [self.space.ends(name) or [LESSON[name]] for name in ("epochs", "batch_size")]
        costs = []
        for epochs, batch_size in product(*lengths):
            fields = LESSON | {"epochs": epochs, "batch_size": batch_size}
            costs.append(cost(make_config(**fields, seed=0, dataset="", split="search"), training_images))
        return self.runs * sum(costs) / len(costs)


class SearchConfig(NamedTuple):
    """One search of an arm: with an equal one, trials and winner are the same. `seed` is that of the study."""

    dataset: str
    seed: int
    settings: SearchSettings

    @property
    def network(self) -> NetworkFile | None:
        """The user's own network, or None for the lesson's."""
        return self.settings.space.network

    def params(self) -> dict[str, Any]:
        """What MLflow records of it."""
        settings = self.settings
        params: dict[str, Any] = {"dataset": self.dataset, "seed": self.seed, "sampler": settings.sampler}
        params |= {"pruner": settings.pruner, "trials": settings.trials, "space": settings.file.name}
        params["space_sha256"] = hashlib.sha256(settings.file.text.encode()).hexdigest()
        if self.network:
            params |= {"network": self.network.spec, "network_sha256": self.network.sha256}
        return params

    @property
    def content_hash(self) -> str:
        """16 hexadecimal digits that identify it."""
        return identity(self.params())


def identity(params: Mapping[str, Any]) -> str:
    """16 hexadecimal digits that identify the search with these params."""
    canonical = json.dumps({name: str(params[name]) for name in PARAMS if name in params}, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
