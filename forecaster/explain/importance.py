"""How much the error in validation grows where a group of inputs is that of other origins: permutation importance."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecaster.errors import UsageError
from forecaster.evaluation.calibrate import select_validation
from forecaster.evaluation.held_out import MOST_STEPS_READ, count_steps_read, spread_over_panel
from forecaster.evaluation.origins import Origins, compute_scale
from forecaster.explain.explain_forecasts import split_inputs
from forecaster.explain.input_groups import InputGroup, list_input_groups
from forecaster.explain.known_inputs import KnownInputs
from forecaster.explain.window_components import WindowComponents
from forecaster.forecasting.predict import load_predictor
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.plan import Plan, restore_plan
from forecaster.problems import Problem
from forecaster.reporting.tables import format_table
from forecaster.runs import Version

_ORIGINS, _FEWEST_ORIGINS = 200, 20
_REPEATS = 5


class Importance(NamedTuple):
    """The importance of each group of inputs in validation, the largest first.

    Attributes:
        table: one row per group: group, kind, increase (of the MASE where the group is permuted), deviation (of the
            increase over permutations), percent (of the MASE).
        mase: of the forecasts.
        origins: that it was measured at.
    """

    table: pd.DataFrame
    mase: float
    origins: int

    def format(self) -> str:
        """Format a table, and the error that is compared with."""
        rows = [["permuted", "MASE", "increase", "deviation", "percent"]]
        numbers = self.table[["increase", "deviation", "percent"]].to_numpy(float)
        for name, (increase, deviation, percent) in zip(self.table["group"], numbers.tolist(), strict=True):
            mase = f"{self.mase + increase:.4g}"
            rows.append([str(name), mase, f"{increase:+.4f}", f"{deviation:.4f}", f"{percent:+.1f}"])
        return f"validation: MASE {self.mase:.4g} at {self.origins:,} origins\n{format_table(rows)}\n"


def measure_importance(version: Version, data: Path | None = None) -> Importance:
    """Measure the importance of each group of inputs on the validation part (Breiman 2001; Fisher et al. 2019).

    Each is exchanged for that of other origins, in units of the scale of its series, five times; the others stay.
    The networks are those that have not seen the validation part.

    Raises:
        UsageError: the run has no validation part.
        DataError: the data cannot be read as the series trained on.
        Diverged: a forecast is infinite or NaN.
    """
    plan, predictor = restore_plan(version, data), load_predictor(version, before_refit=version.has_refit)
    if not all(split.validation for split in plan.members.splits):
        raise UsageError(Problem("importance-without-validation", str(version.path)))
    return measure_importance_of(plan, predictor)


def measure_importance_of(plan: Plan, predictor: Predictor, seed: int = 0) -> Importance:
    """Measure the importance as `measure_importance` does, of a predictor on the validation part of a plan."""
    origins, actual = _thin(*select_validation(plan, predictor), predictor)
    horizon, channels = plan.config.window.horizon, plan.config.channels
    ends = (origins.steps + 1).tolist()
    features = origins.build_features(predictor, horizon)
    inputs = KnownInputs.cut(predictor, origins.series, ends, features)
    components = split_inputs(inputs, ends)
    groups = list_input_groups(components, origins.series[0].frequency, predictor.preprocessing.features)
    known = spread_over_panel(plan, [split.training_end for split in plan.members.splits])
    scale = compute_scale(origins, known, plan.season).absolute[:, None]

    def measure_error(values: np.ndarray, changed: np.ndarray) -> float:
        forecast = inputs.forecast(values, changed).sum(axis=0)  # (origins, horizon)
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = np.abs(actual - forecast) / scale
        return float(np.mean(errors[np.isfinite(errors)]))

    error = measure_error(inputs.values, inputs.features)
    generator = np.random.default_rng(seed)
    orders = [_draw_order(generator, len(origins), channels) for _ in range(_REPEATS)]
    rows = []
    for group in groups:
        increases = [measure_error(*_exchange(inputs, components, group, order)) - error for order in orders]
        increase = float(np.mean(increases))
        percent = 100 * increase / error if error else np.nan
        rows.append((*group.group, increase, float(np.std(increases, ddof=1)), percent))
    table = pd.DataFrame(rows, columns=["group", "kind", "increase", "deviation", "percent"])
    return Importance(table.sort_values("increase", ascending=False, ignore_index=True), error, len(origins))


def _thin(origins: Origins, actual: np.ndarray, predictor: Predictor) -> tuple[Origins, np.ndarray]:
    """Keep evenly spaced groups of origins, as many as a network forecasts from within minutes."""
    channels = predictor.config.channels
    affordable = MOST_STEPS_READ // (_REPEATS * count_steps_read(predictor) * channels)
    most = min(_ORIGINS, max(_FEWEST_ORIGINS, affordable))
    count = len(origins) // channels
    kept = np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))
    rows = (kept[:, None] * channels + np.arange(channels)).ravel()
    return Origins(origins.panel, origins.members[rows], origins.steps[rows]), actual[rows]


def _draw_order(generator: np.random.Generator, count: int, channels: int) -> np.ndarray:
    """Draw an order of origins in which channels stay together and none keeps its place, (origins,)."""
    groups = generator.permutation(count // channels)
    other = np.empty_like(groups)
    other[groups] = np.roll(groups, 1)  # one cycle through all
    return np.asarray((other[:, None] * channels + np.arange(channels)).ravel())


def _exchange(
    inputs: KnownInputs, components: WindowComponents, group: InputGroup, order: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Exchange a group of inputs for that of the origins in `order`: values and features."""
    values = inputs.values if group.component is None else components.exchange(group.component, order)
    features = inputs.features.copy()
    features[..., group.columns] = inputs.features[order][..., group.columns]
    return values, features


def format_importance_csv(found: Importance) -> str:
    """Format the table as a CSV."""
    return found.table.to_csv(index=False, lineterminator="\n")
