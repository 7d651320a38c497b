"""The settings that suit data without a YAML: window, split, model and training, by lengths, season and values."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from forecaster.config import ONE_SIDED, Config
from forecaster.data import Panel, Series
from forecaster.evaluation.baselines import BASELINES, forecast_naive_baselines
from forecaster.evaluation.metrics import compute_mae
from forecaster.evaluation.normalization_choice import choose_normalization
from forecaster.forecasting.fallback import ZERO_SHOT
from forecaster.forecasting.zero_shot import choose_horizon
from forecaster.preprocessing.windows import gather_windows

# What all choices have in common.
_MODEL = {"cell": "gru", "dropout": 0.2, "decoder": "dense"}
_OPTIMIZER = {"name": "adam", "learning_rate": 0.003}
_TRAINING = {
    "optimizer": _OPTIMIZER,
    "schedule": {"name": "cosine"},
    "refit": "all",
}
_LARGE = 2000  # steps from which a series is long
_LONGEST_SEGMENT = 96
_MANY = 5  # series from which they are a panel
_BATCHES = 100  # of an epoch
_SEEN = 128_000, 400_000  # windows that a network sees in training, at least and at most
_COMPARED = 200  # series at most, by which a panel's transform and normalization are chosen
_ZERO_SHOTS = 100  # origins at most, from which zero-shot forecasts are compared with naive ones
_LEAST_LEVEL = 10  # from which log1p is nearly a logarithm


class Wishes(NamedTuple):
    """What `--set` asks for.

    Attributes:
        config: the smallest config of the data with it.
        keys: its dotted keys.
    """

    config: Config
    keys: frozenset[str]

    def includes(self, key: str) -> bool:
        """Whether a key, or a part or the whole of it, is set."""
        return any(f"{one}.".startswith(f"{other}.") for each in self.keys for one, other in ((key, each), (each, key)))


def choose_settings(panel: Panel, season: int, wishes: Wishes) -> dict[str, Any]:
    """Choose the sections of a config but `data`, of which the transform alone is chosen.

    Args:
        season: steps in the main season, 1 without one.
        wishes: what is set; only what other choices depend on is looked at.
    """
    shortest, longest = panel.lengths.min(), panel.lengths.max()
    are_alike = len(panel) < _MANY and shortest >= longest / 2
    if len(panel) == 1 or are_alike or wishes.config.model.channels == "joint":
        # Those of the shortest fit the others, too.
        return _choose_series_settings(panel[int(panel.lengths.argmin())], season, wishes)
    return _choose_panel_settings(panel, season, wishes)


def _choose_series_settings(series: Series, season: int, wishes: Wishes) -> dict[str, Any]:
    """Choose window, split, model and training for a series of this length and season, and a head.

    A long series trains one network, whose answer begins with those of its last seasons that tomorrow is like; a short
    one the mean of several, which begin with the mean of its last seasons: there is too little to learn from which to
    copy. Every second one also learns sign-flipped windows, so that they depend less on a trend. Where zero-shot
    forecasts have a lower error before the test part than naive ones, half of them start from these.
    """
    steps, head, window = len(series), wishes.config.model.head, wishes.config.window
    horizon = window.horizon if wishes.includes("window.horizon") else max(1, min(choose_horizon(season), steps // 10))
    if wishes.includes("window.length"):
        length, segment = window.length, _choose_segment(season, window.length, divides=True)
    else:
        length = _choose_length(season, steps // 4)
        segment = _choose_segment(season, length)
    large = steps >= _LARGE
    held_out = max(horizon, round(0.1 * steps))
    windows = steps - 2 * held_out - length - horizon + 1
    batch_size, batches, rate = _choose_steps(large, windows)
    known = series.values[: steps - held_out]
    # A short series has too few windows before its validation part to fit on.
    anchor = choose_normalization(known, season, length, horizon, held_out if large else 0)
    if wishes.includes("model.pretrained"):
        pretrained = wishes.config.model.pretrained
    else:
        pretrained = not large and _is_zero_shot_better([known], season, length, horizon, _ZERO_SHOTS)
    unflipped = head in ONE_SIDED or wishes.config.training.sign_flip
    vary = "start" if pretrained else "seed" if unflipped else "sign_flip"
    return {
        "window": {"length": length // segment * segment, "horizon": horizon},
        "split": {"validation": held_out, "test": held_out} if held_out > 0.1 * steps else {},
        "model": {
            **_MODEL,
            "units": [64 if large else 32],
            "segment": segment,
            "normalization": "profile" if anchor == "seasonal" and not large else anchor,
            "copy_segments": large,
            "pretrained": pretrained,
        },
        "training": {
            **_TRAINING,
            "optimizer": {**_OPTIMIZER, "learning_rate": rate},
            "loss": "mae" if head == "point" else "auto",
            "batch_size": batch_size,
            "batches_per_epoch": batches if windows > batches * batch_size else None,
            "epochs": 30 if large else 60,
            "early_stopping": {"patience": 8 if large else 15},
        },
        "ensemble": None if large else {"size": 4, "vary": vary, "combine": "mean"},
    }


def _choose_panel_settings(panel: Panel, season: int, wishes: Wishes) -> dict[str, Any]:
    """Choose window, split, model and training for many series, which one set of networks learns together.

    Errors count in units of each series' own change, so that no series decides by its size; short ones are kept, the
    window before their start filled. Batches and epochs are those of as many windows as there are.
    """
    shape = _choose_panel_shape(panel, season, wishes)
    head, (batch_size, batches, epochs) = wishes.config.model.head, _choose_batches(shape.windows)
    by_day = 24 <= season <= _LONGEST_SEGMENT and shape.length >= 7 * season
    keeps_zero = head in ONE_SIDED or head == "student_t"
    known = [panel[number].values[: -shape.held_out] for number in _space_numbers(len(panel), _ZERO_SHOTS)]
    return {
        "data": {} if keeps_zero else {"transform": _choose_transform(panel, season)},
        "window": {"length": shape.length, "min_length": shape.min_length, "horizon": shape.horizon},
        "split": {"validation": shape.held_out, "test": shape.held_out},
        "scaling": "auto" if keeps_zero else "change",
        "model": {
            **_MODEL,
            "units": [128 if shape.windows >= 10_000 else 64],
            "segment": shape.segment,
            "normalization": "mean" if by_day else _choose_panel_normalization(panel, season, shape),
            "copy_segments": by_day,
            "pretrained": not by_day and _is_zero_shot_better(known, season, shape.fewest, shape.horizon, 1),
        },
        "training": {
            **_TRAINING,
            "loss": "mae" if head == "point" else "auto",
            "batch_size": batch_size,
            "batches_per_epoch": batches,
            "epochs": epochs,
            "early_stopping": {"patience": max(4, epochs // 4)},
        },
        # Signs are not flipped: many series show trends in both directions, or share one that counts.
        "ensemble": {"size": 3, "vary": "seed", "combine": "mean"},
    }


class _PanelShape(NamedTuple):
    """Steps of a panel's windows and parts, and how many windows there are to train on.

    Attributes:
        fewest: steps of the shortest window, whose start is filled.
        min_length: that, where windows are filled.
    """

    length: int
    fewest: int
    min_length: int | None
    segment: int
    horizon: int
    held_out: int
    windows: int


def _choose_panel_shape(panel: Panel, season: int, wishes: Wishes) -> _PanelShape:
    """Choose windows and split by the lengths of series, so that short ones are trained on, too."""
    window, lengths = wishes.config.window, panel.lengths
    short, typical, long = np.quantile(lengths, [0.05, 0.5, 0.8]).astype(int).tolist()
    most = int(np.quantile(lengths, 0.2)) // 4
    horizon = window.horizon if wishes.includes("window.horizon") else max(1, min(choose_horizon(season), most))
    if wishes.includes("window.length"):
        length, segment = window.length, _choose_segment(season, window.length, divides=True)
    else:
        length = _choose_length(season, max(long - 2 * horizon, 2))
        segment = _choose_segment(season, length)
        length = length // segment * segment
    room = int(lengths.min()) - 3 * horizon  # of a training part, less the steps that its last window forecasts
    fewest = min(season, 12) if season > 3 else 4
    min_length = max(fewest, min(room, 2 * season, length // 2))
    held_out = max(horizon, min(round(0.1 * typical), (short - min_length - horizon) // 2))
    windows = np.maximum(lengths - 2 * held_out - horizon - min_length + 1, 0).sum()
    # Steps before the first are unknown where no calendar gives them.
    padded = min_length < length and room < length and panel.timestamps is None
    fewest = min_length if padded else length
    return _PanelShape(length, fewest, min_length if padded else None, segment, horizon, held_out, int(windows))


def _choose_panel_normalization(panel: Panel, season: int, shape: _PanelShape) -> str:
    """Choose the profile of each window where it holds two seasons, or else what suits most series."""
    if 1 < season <= shape.length // 2:
        return "profile"
    chosen: Counter[str] = Counter()
    for number in _space_numbers(len(panel)):
        values = panel[number].values[: -shape.held_out]
        length = min(shape.length, len(values) // 2)
        chosen[choose_normalization(values, 1, length, shape.horizon, 0)] += 1 if length > 1 else 0
    return max(chosen, key=lambda name: chosen[name])


def _space_numbers(count: int, most: int = _COMPARED) -> list[int]:
    """Space the numbers of at most `most` series evenly over all."""
    return [round(number) for number in np.linspace(0, count - 1, min(count, most))]


def _choose_steps(large: bool, windows: int) -> tuple[int, int, float]:
    """Choose the windows of a batch, the most batches of an epoch, and the learning rate of one series.

    With many windows, 50 batches of 256 take less than half of the time of 200 batches of 64 that see as many windows,
    and with a larger rate reach the same validation loss (docs/decisions.md).
    """
    if not large:
        return 16, 40, 0.003
    return (256, 50, 0.008) if windows > 50 * 256 else (64, 200, 0.003)


def _choose_batches(windows: int) -> tuple[int, int | None, int]:
    """Choose the windows of a batch, batches of an epoch (None: all) and epochs for this many windows."""
    batch_size = int(np.clip(2 ** round(np.log2(max(windows, 1) / 100)), 16, 256))
    an_epoch = min(windows, _BATCHES * batch_size)
    seen = int(np.clip(2 * windows, *_SEEN))
    epochs = int(np.clip(seen // max(an_epoch, 1), 5, 40))
    return batch_size, _BATCHES if windows > an_epoch else None, epochs


def _choose_transform(panel: Panel, season: int) -> str:
    """Choose log1p where changes grow with the level, as Guerrero (1993) chooses the λ of Box and Cox.

    In blocks of a season, the mean change over the level varies less than the mean change itself. Values around 0
    and 1, of which log1p is nearly linear, stay as they are.
    """
    if panel.values.min() < 0:
        return "none"
    votes = []
    size = max(season, 4)
    for number in _space_numbers(len(panel)):
        values = panel[number].values
        blocks = values[len(values) % size :].reshape(-1, size)  # (seasons, season)
        levels, changes = blocks.mean(axis=1), np.abs(np.diff(blocks, axis=1)).mean(axis=1)
        if len(blocks) >= 3 and np.median(levels) > _LEAST_LEVEL and levels.min() > 0 and changes.mean() > 0:
            spreads = [each.std() / each.mean() for each in (changes, changes / levels)]
            votes.append(spreads[1] < spreads[0])
    return "log1p" if votes and np.mean(votes) > 0.5 else "none"


def _choose_length(season: int, most: int) -> int:
    """Choose two weeks of hours, seven days of shorter steps, four years of months, or eight short seasons."""
    if season > _LONGEST_SEGMENT:
        wanted = 2 * season
    elif season >= 24:
        wanted = 14 * season if season == 24 else 7 * season
    else:
        wanted = {1: 48}.get(season, 4 * season if season >= 12 else 8 * season)
    return max(2, min(wanted, 672, most))


def _choose_segment(season: int, length: int, divides: bool = False) -> int:
    """Choose a season, or its largest part of which the window holds two after its first season.

    Args:
        divides: whether the window is whole segments.
    """
    parts = [part for part in range(1, season + 1) if season % part == 0 and part <= _LONGEST_SEGMENT]
    parts = [part for part in parts if not divides or length % part == 0]
    return max(part for part in parts if part == 1 or length // part * part >= season + 2 * part)


def _is_zero_shot_better(rows: Sequence[np.ndarray], season: int, least: int, horizon: int, most: int) -> bool:
    """Whether zero-shot forecasts of series have a lower MAE than the last value and the last season.

    Errors of several series count in units of each one's mean change.

    Args:
        rows: the known values of each series, (steps,).
        season: steps.
        least: steps that are known at the first origin.
        horizon: steps.
        most: origins of each series, evenly spaced up to the last one.
    """
    errors: Counter[str] = Counter()
    for values in rows:
        origins = np.arange(least - 1, len(values) - horizon)
        change = np.abs(np.diff(values)).mean() if len(origins) else 0.0
        if change > 0:
            origins = origins[:: -math.ceil(len(origins) / most)][::-1]  # the last one among them
            actual = gather_windows(values, origins + 1, horizon)  # (origins, horizon)
            forecasts = forecast_naive_baselines(values, origins, horizon, season)
            forecasts.setdefault("seasonal_naive", forecasts["naive"])  # of a series without a whole season
            forecasts[ZERO_SHOT] = BASELINES[ZERO_SHOT](values, origins, horizon, (season,), ()).mean
            errors.update({name: compute_mae(actual, each) / change for name, each in forecasts.items()})
    return bool(errors) and min(errors, key=lambda name: errors[name]) == ZERO_SHOT
