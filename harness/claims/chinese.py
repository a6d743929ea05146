"""The texts of a claim in Chinese: its table `[zh]`."""

from pydantic import Field

from harness.claims.estimands import Estimand, Strict
from harness.claims.published import Published


class Chinese(Strict):
    """The texts of a claim in Chinese. It is no part of what is judged: a claim is the same with and without it.

    `arms` and `arm_words` are by the name of an arm as the file writes it, `words` and `when` by the name of an
    estimand, `models`, `sources` and `unreproduced` by the model of a published result.
    """

    title: str
    statement: str
    would_change: str
    not_tuned: str = ""
    earlier: str = ""
    arms: dict[str, str] = Field(default_factory=dict)
    arm_words: dict[str, str] = Field(default_factory=dict)
    words: dict[str, str] = Field(default_factory=dict)
    when: dict[str, str] = Field(default_factory=dict)
    models: dict[str, str] = Field(default_factory=dict)
    sources: dict[str, str] = Field(default_factory=dict)
    unreproduced: dict[str, str] = Field(default_factory=dict)

    def estimand(self, estimand: Estimand) -> Estimand:
        """The estimand with its sentence and condition in Chinese."""
        words = self.words.get(estimand.name, estimand.words)
        return estimand.model_copy(update={"words": words, "when": self.when.get(estimand.name, estimand.when)})

    def result(self, result: Published) -> Published:
        """The published result with its texts in Chinese."""
        model = result.model
        return result.model_copy(
            update={
                "model": self.models.get(model, model),
                "source": self.sources.get(model, result.source),
                "unreproduced": self.unreproduced.get(model, result.unreproduced),
            }
        )
