"""A network's attention over the past of each series."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from forecaster.config.ensemble import get_member
from forecaster.config.schema import Config
from forecaster.data import Series
from forecaster.errors import DataError, UsageError
from forecaster.explain.attention_weights import AttentionWeights
from forecaster.forecasting.onnx_network import DecodedSteps
from forecaster.forecasting.predict import load_predictor, read_newest
from forecaster.forecasting.predictor import Predictor
from forecaster.problems import Problem
from forecaster.runs import Version

_MAX_ORIGINS = 48  # newest origins of a direct forecast whose attention is shown


def measure_attention(
    version: Version, data: Path | None = None, member: int = 1
) -> tuple[list[AttentionWeights], list[Problem]]:
    """Measure the attention over each series of a run.

    Args:
        version: a verified version of a run.
        data: data file to use instead of the one in the config.
        member: network of an ensemble, from 1.

    Returns:
        The weights by series, and why others have none.

    Raises:
        UsageError: the network has no attention, or there is no such network.
        DataError: the data cannot be read as the series trained on.
    """
    config = get_member(version.config, member)
    if config.model.attention == "none":
        raise UsageError(Problem("no-attention"))
    predictor = load_predictor(version)
    predictor = predictor.members[member - 1] if predictor.members else predictor
    panel, problems = read_newest(config, data)
    attentions: list[AttentionWeights] = []
    for group in (panel[first : first + config.channels] for first in range(0, len(panel), config.channels)):
        try:
            attentions.append(_measure_attention(predictor, config, group))
        except DataError as error:
            problems += error.problems
    if not attentions:
        raise DataError(problems)
    return attentions, problems


def _measure_attention(predictor: Predictor, config: Config, group: Sequence[Series]) -> AttentionWeights:
    """Measure attention at the newest origin for each step; of a direct forecast at each of the newest origins.

    Args:
        group: series that are channels of one window, or one series.
    """
    series = dataclasses.replace(group[0], name=", ".join(series.name for series in group))
    newest = len(series) - 1
    if config.rollout == "direct":
        origins = np.arange(max(config.context_steps - 1, newest + 1 - _MAX_ORIGINS), newest + 1)
    else:
        origins = np.array([newest])
    outputs = _decode_horizon(predictor, config, group, origins)
    weights = np.concatenate([output.attention for output in outputs if output.attention is not None])
    if config.rollout == "direct":
        steps = np.zeros_like(origins)
    else:
        steps, origins = 1 + config.model.segment * np.arange(len(weights)), np.full(len(weights), newest)
    back = config.model.segment * np.arange(weights.shape[1])[::-1]
    return AttentionWeights(series, origins, steps, back, config.model.segment, weights)


def _decode_horizon(
    predictor: Predictor, config: Config, group: Sequence[Series], origins: np.ndarray
) -> list[DecodedSteps]:
    """Decode the horizon step by step, with each mean as the next input."""
    network, length = predictor.rollout.network, config.window.length
    rows = [
        predictor.get_scaler(series).transform(series.values[origin + 1 - config.context_steps : origin + 1])[-length:]
        for origin in origins
        for series in group
    ]
    panel, ends = list(group) * len(origins), np.repeat(origins + 1, len(group)).tolist()
    features = np.repeat(_build_features(predictor, config, group[0], origins), len(group), axis=0)
    features = predictor.add_zero_shot(features, panel, ends, config.window.horizon)
    inputs = predictor.rollout.join_channels(predictor.build_inputs(panel, np.stack(rows), features))
    states, previous = network.encode(inputs), inputs.window[:, -network.width :]
    outputs = [network.decode(states, previous, predictor.rollout.slice_future(inputs))]
    while config.rollout != "direct" and len(outputs) * config.model.segment < config.window.horizon:
        previous = predictor.rollout.family(outputs[-1].parameters).mean.astype(np.float32)
        known = predictor.rollout.slice_future(inputs, len(outputs) * config.model.segment)
        outputs.append(network.decode(outputs[-1].states, previous, known))
    return outputs


def _build_features(predictor: Predictor, config: Config, series: Series, origins: np.ndarray) -> np.ndarray:
    """Build the features of window and horizon at each origin, (origins, length + horizon, features).

    A direct forecast's attention does not depend on the horizon's features, which are 0.
    """
    length, horizon = config.window.length, config.window.horizon
    ahead = 0 if config.rollout == "direct" else horizon
    first, last = int(origins[0]) + 1 - length, int(origins[-1]) + 1 + ahead
    features = predictor.build_features(series, first, last)
    rows = np.stack([features[origin + 1 - length - first :][: length + ahead] for origin in origins])
    return np.pad(rows, ((0, 0), (0, horizon - ahead), (0, 0)))
