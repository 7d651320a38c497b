"""A network and baselines that forecast from the same origins: scores, skill and significance, as tables."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from forecaster.evaluation.baselines import BaselineForecast
from forecaster.evaluation.metrics import (
    Scale,
    ScoredForecasts,
    compute_scores,
    compute_scores_by_series,
    compute_scores_by_step,
    count_unscaled,
    drop_undefined,
)
from forecaster.evaluation.origins import MODEL, OWN, Origins
from forecaster.evaluation.significance import compare_losses, count_overlapping, count_separate
from forecaster.evaluation.tables import format_comparison_table
from forecaster.evaluation.verdict import MIN_FORECASTS
from forecaster.forecast import ColumnNames, name_column
from forecaster.wording import format_timestamps


@dataclass(frozen=True)
class Comparison:
    """The forecasts of a run and of baselines from the same origins, and the actual values.

    Attributes:
        forecasts: by forecaster, those of the run as `model`.
        origins: in the order of the forecasts' rows.
        folds: the number of each origin's fold, from 1, (origins,); one origin of each series in a fold.
        actual: (origins, horizon); NaN where unknown.
        scale: for scaled errors.
        stride: steps from fold to fold.
        levels: of the intervals, in percent.
        networks: in the run, 1 or an ensemble's.
        intervals: where those of the run come from, `conformal` or `head`.
        trained_until: of a backtest, the last timestamp that its first network was trained on.
        level_by_name: of a hierarchy, the level of each series.
    """

    forecasts: Mapping[str, BaselineForecast]
    origins: Origins
    folds: np.ndarray
    actual: np.ndarray
    scale: Scale
    stride: int
    levels: Sequence[float]
    networks: int
    intervals: str = "conformal"
    trained_until: str = ""
    level_by_name: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def scored(self) -> dict[str, ScoredForecasts]:
        """The forecasts with the actual values, by forecaster."""
        return {
            name: ScoredForecasts(self.actual, each.mean, each.quantiles, series=self.origins.members, scale=self.scale)
            for name, each in self.forecasts.items()
        }

    @property
    def baselines(self) -> list[str]:
        """The names of the forecasters without a network."""
        return [name for name in self.forecasts if name not in OWN]

    @cached_property
    def scores(self) -> dict[str, dict[str, float]]:
        """Every metric of each forecaster over all origins."""
        return {name: drop_undefined(compute_scores(scored)) for name, scored in self.scored.items()}

    @property
    def measure(self) -> str:
        """The metric that decides: MASE, or MAE where no series has a scale."""
        return "mase" if "mase" in self.scores[MODEL] else "mae"

    def compute_skill(self, baseline: str) -> dict[str, float]:
        """Compute 1 - error / baseline's error by metric: above 0 where the network is better."""
        model, other = self.scores[MODEL], self.scores[baseline]
        return {name: 1 - model[name] / other[name] for name in ("mae", "rmse", "mase") if other.get(name)}

    def test_significance(self, baseline: str) -> dict[str, float]:
        """Test the network against a baseline (Diebold-Mariano) by the mean error of each fold.

        Empty where there are too few forecasts that do not overlap.
        """
        horizon = self.actual.shape[1]
        if count_separate(self._scored_origins, horizon) < MIN_FORECASTS:
            return {}
        # Errors of overlapping horizons are correlated.
        overlapping = count_overlapping(self._scored_origins, horizon)
        test = compare_losses(self._average_by_fold(MODEL), self._average_by_fold(baseline), overlapping)
        return drop_undefined(test._asdict())

    @cached_property
    def _scored_origins(self) -> np.ndarray:
        """The steps from the first origin to those with actual values, (folds,)."""
        known = ~np.isnan(self.actual).all(axis=1)
        return self.stride * (np.unique(self.folds[known]) - 1)

    def _average_by_fold(self, name: str) -> np.ndarray:
        """Average the error of each fold over series and steps, (folds,); folds without actual values are left out."""
        units = self.scale.absolute[:, None] if self.measure == "mase" else 1.0
        errors = np.abs(self.actual - self.forecasts[name].mean) / units  # (origins, horizon)
        known, numbers = ~np.isnan(errors).all(axis=1), self.folds
        means = np.nanmean(errors[known], axis=1)
        return np.array([means[numbers[known] == fold].mean() for fold in np.unique(numbers[known])])

    def to_json(self) -> str:
        """Convert the summary to JSON."""
        return json.dumps(self.summary, indent=1, allow_nan=False) + "\n"

    def to_text(self) -> str:
        """Format the scores as a table, and whether the network is better."""
        return format_comparison_table(self.summary) + "\n"

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Scores, skill and tests of significance of all forecasters.

        `forecasts` are those of each series at origins with actual values; `separate` of them do not overlap.
        """
        horizon = self.actual.shape[1]
        return {
            "horizon": horizon,
            "frequency": self.origins.panel.frequency,
            "folds": len(np.unique(self.folds)),
            "stride": self.stride,
            "series": len(np.unique(self.origins.members)),
            "origins": len(self.folds),
            "forecasts": len(self._scored_origins),
            "separate": count_separate(self._scored_origins, horizon),
            "networks": self.networks,
            "measure": self.measure,
            "unscaled": count_unscaled(self.scored[MODEL]),
            "scores": self.scores,
            "skill": {name: self.compute_skill(name) for name in self.baselines},
            "diebold_mariano": {name: self.test_significance(name) for name in self.baselines},
            "intervals": self.intervals,
            **({"trained_until": self.trained_until} if self.trained_until else {}),
            **({"by_level": self.scores_by_level} if self.level_by_name else {}),
            "coverage": {f"{level:g}": self.scores[MODEL][f"coverage_{level:g}"] for level in self.levels},
        }

    def tabulate_scores(self) -> pd.DataFrame:
        """Tabulate a row for each forecaster, a column for each metric."""
        return pd.DataFrame(self.scores).T.rename_axis("forecaster")

    def tabulate_by_step(self) -> pd.DataFrame:
        """Tabulate a row for each forecaster and step of the horizon."""
        return _stack({name: compute_scores_by_step(scored) for name, scored in self.scored.items()})

    def tabulate_by_series(self) -> pd.DataFrame:
        """Tabulate a row for each forecaster and series."""
        names = self.origins.panel.names
        tables = {name: compute_scores_by_series(scored) for name, scored in self.scored.items()}
        return _stack({name: table.rename(index=lambda number: names[number]) for name, table in tables.items()})

    @cached_property
    def scores_by_level(self) -> dict[str, dict[str, dict[str, float]]]:
        """Every metric by level of a hierarchy and forecaster."""
        names = self.origins.panel.names
        levels = np.array([self.level_by_name[names[member]] for member in self.origins.members.tolist()])
        return {
            level: {
                name: drop_undefined(compute_scores(_select(scored, levels == level)))
                for name, scored in self.scored.items()
            }
            for level in dict.fromkeys(levels.tolist())
        }

    def tabulate_by_level(self) -> pd.DataFrame:
        """Tabulate a row for each level of a hierarchy and forecaster."""
        tables = {level: pd.DataFrame(scores).T for level, scores in self.scores_by_level.items()}
        return pd.concat(tables, names=["level", "forecaster"])

    def tabulate_by_fold(self) -> pd.DataFrame:
        """Tabulate a row for each forecaster and fold."""
        parts = {
            name: pd.DataFrame([compute_scores(_select(scored, self.folds == fold)) for fold in np.unique(self.folds)])
            for name, scored in self.scored.items()
        }
        index = pd.Index(np.unique(self.folds), name="fold")
        return _stack({name: part.set_index(index) for name, part in parts.items()})

    def tabulate_forecasts(self, names: ColumnNames = "levels") -> pd.DataFrame:
        """Tabulate a row for each origin and step: actual value, the run's forecast with quantiles, each baseline's."""
        count, horizon = self.actual.shape
        pairs = list(zip(self.origins.members.tolist(), self.origins.steps.tolist(), strict=True))
        known = [self.origins.panel[member] for member, _ in pairs]
        texts = [
            format_timestamps(series.timestamps[step : step + 1 + horizon])
            for series, (_, step) in zip(known, pairs, strict=True)
        ]
        model = self.forecasts[MODEL]
        columns = {
            "series": np.repeat([series.name for series in known], horizon),
            "fold": np.repeat(self.folds, horizon),
            "origin": np.repeat([row[0] for row in texts], horizon),
            "timestamp": [text for row in texts for text in [*row[1:], *[""] * (horizon + 1 - len(row))]],
            "step": np.tile(np.arange(1, horizon + 1), count),
            "actual": self.actual.ravel(),
            "mean": model.mean.ravel(),
            **{name_column(p, names): values.ravel() for p, values in model.quantiles.items()},
            **{name: each.mean.ravel() for name, each in self.forecasts.items() if name != MODEL},
        }
        rows = pd.DataFrame(columns)
        return rows[rows["timestamp"] != ""]


def _select(scored: ScoredForecasts, rows: np.ndarray) -> ScoredForecasts:
    scale, series = scored.scale, scored.series
    return ScoredForecasts(
        scored.actual[rows],
        scored.mean[rows],
        {p: values[rows] for p, values in scored.quantiles.items()},
        series=None if series is None else series[rows],
        scale=None if scale is None else Scale(scale.absolute[rows], scale.squared[rows]),
    )


def _stack(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Stack tables, each row with the name of its forecaster."""
    return pd.concat(tables, names=["forecaster"])
