"""The forecast of a run, or of data without a run, as the command and the Python function both make it."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from forecaster.config import LoadedConfig, is_config
from forecaster.config.schema import MaxAge
from forecaster.evaluation.verdict import describe_training
from forecaster.forecasting.predict import Prediction, Receiver, predict
from forecaster.runs import Version
from forecaster.shard import Shard

if TYPE_CHECKING:
    from forecaster.parallel import Parallel

log = logging.getLogger("forecaster")


@dataclass(frozen=True)
class Request:
    """What is asked of a forecast.

    Attributes:
        horizon: steps; the trained horizon, or one by the season, where None.
        levels: of the intervals, in percent; those of the config where None.
        overrides: of the config, as `data.gaps=previous`.
        max_age: the largest age of the newest step; that of the config where None.
        future: a CSV of the future covariates.
        with_samples: whether the forecasts come with paths.
        receive: takes the forecasts of each batch of series, which are then not in the result.
        shard: the share of the series of a run to forecast; all where None.
        parallel: the processes that forecast batches of series at the same time; this one alone where None.
    """

    horizon: int | None = None
    levels: list[float] | None = None
    overrides: tuple[str, ...] = ()
    max_age: MaxAge | None = None
    future: Path | None = None
    with_samples: bool = False
    receive: Receiver | None = None
    shard: Shard | None = None
    parallel: "Parallel | None" = None


def predict_run(version: Version, data: Path | None, request: Request) -> Prediction:
    """Forecast with a version of a run, and log what its training found against it.

    Raises:
        ForecasterError: as `predict`.
        RunError: the scores of the training are damaged.
    """
    found = predict(
        version,
        data,
        request.horizon,
        request.levels,
        request.with_samples,
        request.future,
        overrides=request.overrides,
        max_age=request.max_age,
        receive=request.receive,
        shard=request.shard,
        parallel=request.parallel,
    )
    try:
        sentences = describe_training(version.metrics)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise version.refuse("metrics.json", repr(error)) from None
    for sentence in sentences:
        log.info("training found: %s", sentence)
    return found


def predict_data(loaded: LoadedConfig, source: Path, request: Request) -> Prediction:
    """Forecast the series of a file, or of a config's data, without training.

    Args:
        loaded: by which they are read: `load_data_config` of the source.
        source: the file or the config.
        request: without a future or samples.

    Raises:
        ForecasterError: as `predict_zero_shot`.
    """
    from forecaster.forecasting.zero_shot import predict_zero_shot  # noqa: PLC0415  with pandas

    chosen = is_config(source) or any(each.strip().startswith("data.gaps") for each in request.overrides)
    horizon = request.horizon
    return predict_zero_shot(
        loaded.config,
        loaded.config.window.horizon if is_config(source) and horizon is None else horizon,
        request.levels,
        max_age=request.max_age,
        limits_missing=not chosen,
        receive=request.receive,
        parallel=request.parallel,
    )
