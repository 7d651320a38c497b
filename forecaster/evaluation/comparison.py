"""A network and baselines that forecast from the same origins: scores, skill, whether it is chance, and tables."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from forecaster.evaluation.origins import ALONE, MODEL, Origins
from forecaster.evaluation.significance import diebold_mariano
from forecaster.evaluation.tables import format_comparison_table
from forecaster.forecast import format_timestamps, name_quantile

_FEWEST_FOLDS = 5  # by which a test can tell anything


@dataclass(frozen=True)
class Comparison:
    """What each forecaster said at some origins, and what came.

    Attributes:
        told: by forecaster, the run's as `model`.
        origins: in the order of the forecasts' rows.
        folds: the number of each origin's fold, from 1, (origins,); one origin of each series in a fold.
        actual: (origins, horizon); NaN where unknown.
        scale: for scaled errors.
        stride: steps from fold to fold.
        levels: of the intervals, in percent.
        networks: how many the run's forecasts are made of.
    """

    told: Mapping[str, BaselineForecast]
    origins: Origins
    folds: np.ndarray
    actual: np.ndarray
    scale: Scale
    stride: int
    levels: Sequence[float]
    networks: int

    @cached_property
    def judged(self) -> dict[str, ScoredForecasts]:
        """The forecasters beside what came."""
        return {
            name: ScoredForecasts(self.actual, told.mean, told.quantiles, series=self.origins.members, scale=self.scale)
            for name, told in self.told.items()
        }

    @property
    def baselines(self) -> list[str]:
        """The forecasters that are no network."""
        return [name for name in self.told if name not in {MODEL, ALONE}]

    @cached_property
    def scores(self) -> dict[str, dict[str, float]]:
        """Every metric of each forecaster over all origins."""
        return {name: drop_undefined(compute_scores(judged)) for name, judged in self.judged.items()}

    @property
    def measure(self) -> str:
        """The error that decides: the scaled one, or the absolute one where nothing can be scaled."""
        return "mase" if "mase" in self.scores[MODEL] else "mae"

    def skill(self, rival: str) -> dict[str, float]:
        """1 less the network's error over a baseline's, by error: above 0 where the network is better."""
        mine, others = self.scores[MODEL], self.scores[rival]
        return {name: 1 - mine[name] / others[name] for name in ("mae", "rmse", "mase") if others.get(name)}

    def test(self, rival: str) -> dict[str, float]:
        """The Diebold-Mariano test of the network against a baseline, by the mean error of each fold.

        Empty where there are too few folds.
        """
        if len(np.unique(self.folds)) < _FEWEST_FOLDS:
            return {}
        ahead = math.ceil(self.actual.shape[1] / self.stride)
        found = diebold_mariano(self._losses(MODEL), self._losses(rival), ahead)
        return drop_undefined(found._asdict())

    def _losses(self, name: str) -> np.ndarray:
        """The mean error of each fold, over series and steps, (folds,)."""
        units = self.scale.absolute[:, None] if self.measure == "mase" else 1.0
        errors = np.nanmean(np.abs(self.actual - self.told[name].mean) / units, axis=1)
        return np.array([np.nanmean(errors[self.folds == fold]) for fold in np.unique(self.folds)])

    def to_json(self) -> str:
        """The facts, as JSON."""
        return json.dumps(self.facts, indent=1, allow_nan=False) + "\n"

    def to_text(self) -> str:
        """The scores as a table, and who wins."""
        return format_comparison_table(self.facts) + "\n"

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Scores, skill and tests of all."""
        return {
            "horizon": self.actual.shape[1],
            "folds": len(np.unique(self.folds)),
            "stride": self.stride,
            "series": len(np.unique(self.origins.members)),
            "origins": len(self.folds),
            "networks": self.networks,
            "measure": self.measure,
            "unscaled": count_unscaled(self.judged[MODEL]),
            "scores": self.scores,
            "skill": {name: self.skill(name) for name in self.baselines},
            "diebold_mariano": {name: self.test(name) for name in self.baselines},
            "coverage": {f"{level:g}": self.scores[MODEL][f"coverage_{level:g}"] for level in self.levels},
        }

    def overall(self) -> pd.DataFrame:
        """A row for each forecaster, a column for each metric."""
        return pd.DataFrame(self.scores).T.rename_axis("forecaster")

    def by_step(self) -> pd.DataFrame:
        """A row for each forecaster and step of the horizon."""
        return _stacked({name: compute_scores_by_step(judged) for name, judged in self.judged.items()})

    def by_series(self) -> pd.DataFrame:
        """A row for each forecaster and series."""
        names = self.origins.panel.names
        found = {name: compute_scores_by_series(judged) for name, judged in self.judged.items()}
        return _stacked({name: table.rename(index=lambda number: names[number]) for name, table in found.items()})

    def by_fold(self) -> pd.DataFrame:
        """A row for each forecaster and fold."""
        parts = {
            name: pd.DataFrame([compute_scores(_chosen(judged, self.folds == fold)) for fold in np.unique(self.folds)])
            for name, judged in self.judged.items()
        }
        index = pd.Index(np.unique(self.folds), name="fold")
        return _stacked({name: part.set_index(index) for name, part in parts.items()})

    def forecasts(self) -> pd.DataFrame:
        """A row for each origin and step: what came, the network's forecast with its quantiles, each baseline's."""
        count, horizon = self.actual.shape
        pairs = list(zip(self.origins.members.tolist(), self.origins.steps.tolist(), strict=True))
        known = [self.origins.panel[member] for member, _ in pairs]
        texts = [
            format_timestamps(series.timestamps[step : step + 1 + horizon])
            for series, (_, step) in zip(known, pairs, strict=True)
        ]
        model = self.told[MODEL]
        columns = {
            "series": np.repeat([series.name for series in known], horizon),
            "fold": np.repeat(self.folds, horizon),
            "origin": np.repeat([row[0] for row in texts], horizon),
            "timestamp": [text for row in texts for text in [*row[1:], *[""] * (horizon + 1 - len(row))]],
            "step": np.tile(np.arange(1, horizon + 1), count),
            "actual": self.actual.ravel(),
            "mean": model.mean.ravel(),
            **{name_quantile(p): values.ravel() for p, values in model.quantiles.items()},
            **{name: told.mean.ravel() for name, told in self.told.items() if name != MODEL},
        }
        rows = pd.DataFrame(columns)
        return rows[rows["timestamp"] != ""]


def _chosen(judged: ScoredForecasts, rows: np.ndarray) -> ScoredForecasts:
    """Some origins of what is judged."""
    scale, series = judged.scale, judged.series
    return ScoredForecasts(
        judged.actual[rows],
        judged.mean[rows],
        {p: values[rows] for p, values in judged.quantiles.items()},
        series=None if series is None else series[rows],
        scale=None if scale is None else Scale(scale.absolute[rows], scale.squared[rows]),
    )


def _stacked(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The tables below each other, each row with the name of its forecaster."""
    return pd.concat(tables, names=["forecaster"])
