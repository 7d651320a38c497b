"""The network that a training begins with: drawn by its seed, or started from another run."""

import logging

import keras

from forecaster.config import Config
from forecaster.data.categories import Vocabulary
from forecaster.errors import UsageError
from forecaster.models import Network, build_network
from forecaster.models.weights import Rows, warm_start
from forecaster.preparation import Preprocessing, preprocessing_of
from forecaster.runs import Version

log = logging.getLogger("forecaster")


def initial_network(config: Config, preprocessing: Preprocessing) -> Network:
    """The network of a resolved config, its weights drawn by the config's seed.

    Every seed of Keras, TensorFlow, numpy and Python is set.
    """
    keras.utils.set_random_seed(config.training.seed)
    unit = float(next(iter(preprocessing.scalers.values())).unit)
    sizes = preprocessing.vocabulary.sizes if preprocessing.vocabulary else ()
    length, season = config.window.length, config.data.main_season
    widths = preprocessing.widths
    return build_network(
        config.model, length, config.steps_ahead, season, config.loss, unit, sizes, *widths, config.channels
    )


def start_from(network: Network, version: Version, vocabulary: Vocabulary | None, number: int = 1) -> None:
    """Put the weights of another run into a network where shapes agree, and say which did not.

    Args:
        vocabulary: of the network's own series and categories, whose vectors go by their names.
        number: of the network in its ensemble, from 1; of a run that is an ensemble, it takes those of the same
            number, and where there are fewer begins with the first again.

    Raises:
        UsageError: no matrix of weights agrees.
    """
    theirs = preprocessing_of(version).vocabulary
    folder = version.members[(number - 1) % len(version.members)]
    weights = version.read(f"{folder}network.weights.h5")
    agreed, different = warm_start(network, weights, _rows(vocabulary, theirs))
    if not agreed:
        raise UsageError(
            f"--from {version.path}: no matrix of that network has a shape of this one; use the same cell and units"
        )
    log.info("\n".join([f"started from the weights of {version.path / folder}", *different]))


def _rows(ours: Vocabulary | None, theirs: Vocabulary | None) -> list[Rows]:
    """For each of our categories, the rows of the values that both know; none of a category that they have not."""
    if ours is None:
        return []
    known = {} if theirs is None else dict(zip(theirs.names, theirs.values, strict=True))
    found = []
    for name, values in zip(ours.names, ours.values, strict=True):
        places = {value: row for row, value in enumerate(known.get(name, ()))}
        shared = [(row, places[value]) for row, value in enumerate(values) if value in places]
        found.append(Rows([row for row, _ in shared], [row for _, row in shared]))
    return found
