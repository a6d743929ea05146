"""An arm of a claim: one setting that it compares, of a run or of a whole search. Knows no files and runs nothing."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.claims.search_arm import SearchSettings, SpaceFile
from harness.core.metrics import ProbeName
from harness.core.network import NetworkFile


class Arm(NamedTuple):
    """One setting that a claim compares. `fields` are those of the config, without seed, and without lr if it is tuned.

    An arm with a `space_file` is a search under each seed; its `fields` are sampler, pruner, trials and space.

    Tuning minimizes the updates to a validation loss of `tune_to_loss`; if None, the validation loss after the last
    epoch.

    `shown` is the name on pages: `name`, or that in another language. `zh`: name and words in Chinese, or "".
    """

    name: str
    words: str
    fields: Mapping[str, Any]
    tuned: bool
    tune_to_loss: float | None
    probes: tuple[ProbeName, ...]
    seeds: int
    shown: str
    zh: tuple[str, str]
    space_file: SpaceFile | None = None

    def in_chinese(self) -> "Arm":
        """The same with its Chinese name and words, if it has them."""
        shown, words = self.zh
        return self._replace(shown=shown or self.shown, words=words or shown or self.words)

    @property
    def search(self) -> SearchSettings | None:
        """What it searches, or None if it trains one config."""
        if self.space_file is None:
            return None
        return SearchSettings(self.fields["sampler"], self.fields["pruner"], self.fields["trials"], self.space_file)

    @property
    def network(self) -> NetworkFile | None:
        """The user's own network, or None for the lesson's."""
        found: NetworkFile | None = self.search.space.network if self.search else self.fields.get("network")
        return found

    @property
    def texts(self) -> dict[str, str]:
        """The files that the arm names, by name."""
        if self.search:
            return self.search.texts
        return {self.network.file: self.network.text} if self.network else {}


def tag_name(arm: str) -> str:
    """An arm's name as part of an MLflow tag's name; it is unique among the arms of a claim."""
    return re.sub(r"[^0-9A-Za-z_. /-]", "_", arm)


def tuned_tag(arm: str) -> str:
    """The tag of a claim's parent run that holds the lr chosen for an arm."""
    return f"harness.tuned_lr.{tag_name(arm)}"
