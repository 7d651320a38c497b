"""The network that a training begins with."""

import keras

from forecaster.config import Config
from forecaster.models import Network, build_network
from forecaster.preparation import Preprocessing


def initial_network(config: Config, preprocessing: Preprocessing) -> Network:
    """The network of a resolved config, its weights drawn by the config's seed.

    Every seed of Keras, TensorFlow, numpy and Python is set.
    """
    keras.utils.set_random_seed(config.training.seed)
    unit = float(next(iter(preprocessing.scalers.values())).unit)
    sizes = preprocessing.vocabulary.sizes if preprocessing.vocabulary else ()
    length, season = config.window.length, int(config.data.season)
    return build_network(config.model, length, config.steps_ahead, season, config.loss, unit, sizes)
