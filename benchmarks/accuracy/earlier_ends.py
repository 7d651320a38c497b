"""What the fallback and the intervals can do at earlier ends of each CSV, and what they cannot even in hindsight.

    .venv/bin/python benchmarks/accuracy/earlier_ends.py --data ../shared/data
    .venv/bin/python benchmarks/accuracy/earlier_ends.py --only milk wineind --ends 0.9 0.8

Each CSV of `defaults.py` ends at 0.9, 0.8, 0.7 or 0.6 of its rows, so that its test part is never seen, and the last
tenth before that end is forecast with the inferred settings. Long series and panels have one network, trained for six
epochs. None is trained again on all rows.

A line for each end has the errors over those of the last season, and the coverage of intervals. By the horizons of
validation follow the error of the forecast over that of the best of network, zero-shot, last value and last season, and
that of two choices in hindsight: the best in half of the test part, in the other half; the best of the set at all ends.
"""

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from coverage import train_network
from defaults import SETS, cut_rows

from forecaster.config.ensemble import list_members
from forecaster.default_config import propose
from forecaster.evaluation.calibrate import measure_calibration
from forecaster.evaluation.held_out import score_test_part, select_origins
from forecaster.evaluation.history_errors import forecast_zero_shot_from
from forecaster.evaluation.origins import predict_from
from forecaster.forecasting.fallback import NETWORK, ZERO_SHOT, forecast_from_windows
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.plan import Plan, plan_training

_SHORT = ["training.refit=none"]
_LONG = [*_SHORT, "training.epochs=6", "training.batches_per_epoch=80", "ensemble=null"]
_GROUPS = {"under 2": (0.0, 2.0), "2 to 5": (2.0, 5.0), "5 and more": (5.0, np.inf), "all": (0.0, np.inf)}
FORECAST = "forecast"


class End(NamedTuple):
    """What was measured at one end of a set.

    Attributes:
        name: of the set.
        horizons: of validation.
        errors: of each forecaster by name, at each origin, over the mean error of the last season, (origins,).
        coverage: of the intervals of 80 and 95 %, in percent.
    """

    name: str
    horizons: float
    errors: Mapping[str, np.ndarray]
    coverage: Sequence[float]

    def get_singles(self) -> dict[str, np.ndarray]:
        """Get the errors of all but the average of them."""
        return {name: each for name, each in self.errors.items() if name != FORECAST}


def main() -> None:
    """Measure each end of each set, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--ends", nargs="+", type=float, default=[0.9, 0.8, 0.7, 0.6], help="shares of the rows")
    parser.add_argument("--set", action="append", default=[], help="a setting to try")
    options = parser.parse_args()
    print("| set, end | horizons of validation | forecast | network | zero-shot | last value | 80 % | 95 % |")
    print("|---|---|---|---|---|---|---|---|")
    ends = []
    for share in options.ends:
        for name in options.only:
            ends.append(measure_end(name, options.data, share, options.set))
            means = [ends[-1].errors[each].mean() for each in (FORECAST, NETWORK, ZERO_SHOT, "naive")]
            cells = " | ".join(f"{each:.3f}" for each in means)
            coverage = " | ".join(f"{each:.1f}" for each in ends[-1].coverage)
            print(f"| {name}, {share} | {ends[-1].horizons:.1f} | {cells} | {coverage} |", flush=True)
    for label, (least, most) in _GROUPS.items():
        print_group(label, [end for end in ends if least <= end.horizons < most], ends)


def measure_end(name: str, data: Path, share: float, overrides: Sequence[str]) -> End:
    """Train on one set up to a share of its rows, and measure errors and coverage on the last tenth before it."""
    path, settings = SETS[name]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / Path(path).name
        cut_rows(data.resolve() / path, file, share)
        loaded, panel = propose(file, [*settings, *_SHORT, *overrides])
        if loaded.config.model.copy_segments or loaded.config.ensemble is None or len(panel or ()) > 1:
            loaded, panel = propose(file, [*settings, *_LONG, *overrides])
        plan = plan_training(loaded, panel)
    networks = [train_network(replace(plan, config=member)) for member in list_members(plan.config)]
    predictor = Predictor.from_networks(networks, plan.config, plan.preprocessing)
    predictor = replace(predictor, calibration=measure_calibration(plan, predictor))
    coverage = score_test_part(plan, predictor)["coverage"]
    horizons = float(np.mean([split.validation for split in plan.members.splits]) / plan.config.window.horizon)
    return End(name, horizons, measure_errors(plan, predictor), [coverage[level] for level in ("80", "95")])


def measure_errors(plan: Plan, predictor: Predictor) -> dict[str, np.ndarray]:
    """Measure the mean absolute error of each forecaster at each test origin, over that of the last season."""
    horizon = plan.config.window.horizon
    ranges = [(split.validation_end - 1, split.steps - 1 - horizon) for split in plan.members.splits]
    origins = select_origins(plan.members.panel, plan.members.numbers, ranges, predictor)
    actual, windows = origins.read_actuals(horizon), origins.cut_windows(plan.config.lookback_steps)
    zero_shot = forecast_zero_shot_from(predictor, origins, horizon)
    network = predict_from(
        replace(predictor, calibration=replace(predictor.calibration, fallback=None)), origins, horizon
    )
    forecasts = {
        FORECAST: predict_from(predictor, origins, horizon, zero_shot).mean,
        NETWORK: network.mean,
        ZERO_SHOT: zero_shot,
        "naive": forecast_from_windows("naive", windows, horizon, plan.season),
    }
    if plan.season > 1:
        forecasts["seasonal_naive"] = forecast_from_windows("seasonal_naive", windows, horizon, plan.season)
    errors = {name: np.nanmean(np.abs(actual - each), axis=1) for name, each in forecasts.items()}  # (origins,)
    reference = errors.get("seasonal_naive", errors["naive"])
    unit = np.array([reference[origins.members == member].mean() for member in origins.members])
    return {name: each / unit for name, each in errors.items()}


def print_group(label: str, group: Sequence[End], every: Sequence[End]) -> None:
    """Print what the fallback, and choices in hindsight, reach at some ends."""
    if not group:
        return
    reached, halves, sets = [], [], []
    errors: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for end in every:
        for name, each in end.get_singles().items():
            errors[end.name][name].append(np.log(each.mean()))
    for end in group:
        singles = end.get_singles()
        best = min(each.mean() for each in singles.values())
        reached.append(end.errors[FORECAST].mean() / best)
        middle = len(end.errors[FORECAST]) // 2
        if middle:
            chosen = min(singles, key=lambda name: singles[name][:middle].mean())
            halves.append(singles[chosen][middle:].mean() / min(each[middle:].mean() for each in singles.values()))
        of_set = errors[end.name]
        sets.append(singles[min(of_set, key=lambda name: np.mean(of_set[name]))].mean() / best)
    off = np.abs(np.array([end.coverage for end in group]) - [80, 95])  # (ends, levels)
    print(f"horizons of validation {label}: {len(group)} ends")
    for name, ratios in (("forecast", reached), ("half of the test part", halves), ("all ends of the set", sets)):
        found = np.array(ratios)
        print(
            f"  {name}: {np.exp(np.log(found).mean()):.3f} of the best, {100 * np.mean(found > 1.03):.0f} % above 1.03"
        )
    inside = 100 * (off <= [5, 3]).all(axis=1).mean()
    print(f"  coverage: {off[:, 0].mean():.1f} and {off[:, 1].mean():.1f} points off, {inside:.0f} % within 5 and 3")


if __name__ == "__main__":
    main()
