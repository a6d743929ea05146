"""What a run costs, before it is run: for an order of work and for how long it will take. Runs nothing."""

import math

from harness.core.config import RunConfig

# Beside the arithmetic of its images, an update costs about as much as that of so many images more. Measured.
IMAGES_AN_UPDATE = 40
_USUAL_PASS = 50_000


def updates(config: RunConfig, training_images: int = _USUAL_PASS) -> float:
    """How many updates a run makes where so many images train."""
    return min(config.epochs * math.ceil(training_images / config.batch_size), config.updates or math.inf)


def work(config: RunConfig, training_images: int = _USUAL_PASS) -> float:
    """What the updates of a run cost, in images."""
    return updates(config, training_images) * (min(config.batch_size, training_images) + IMAGES_AN_UPDATE)
