"""The cost of a run before it runs, to order work and to estimate the time left. Runs nothing."""

import math

from harness.core.config import RunConfig

# The fixed overhead of an update, in units of the cost of one image. Measured.
IMAGES_PER_UPDATE = 40
_DEFAULT_TRAINING_IMAGES = 50_000


def updates(config: RunConfig, training_images: int = _DEFAULT_TRAINING_IMAGES) -> float:
    """The number of updates of a run with this many training images."""
    return min(config.epochs * math.ceil(training_images / config.batch_size), config.updates or math.inf)


def cost(config: RunConfig, training_images: int = _DEFAULT_TRAINING_IMAGES) -> float:
    """The cost of a run's updates, in images."""
    return updates(config, training_images) * (min(config.batch_size, training_images) + IMAGES_PER_UPDATE)
