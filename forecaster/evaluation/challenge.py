"""Two versions compared from the same origins: a new version with the one in use, or the versions of two runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from forecaster.config import Config
from forecaster.data import Panel
from forecaster.data.sources.files import Paths
from forecaster.errors import DataError, ForecasterError, RunError, UsageError
from forecaster.evaluation.baselines import LABELS, select_default_baselines
from forecaster.evaluation.comparison import Comparison
from forecaster.evaluation.evaluate import count_known_steps, read_training_ends
from forecaster.evaluation.held_out import count_affordable, number_by_step, space_origins, spread_over_panel
from forecaster.evaluation.origins import MODEL, Origins, compute_scale, forecast_with_baseline, forecast_with_network
from forecaster.evaluation.tables import format_errors
from forecaster.evaluation.verdict import EQUAL, MIN_FORECASTS, describe_difference, describe_forecasts, judge_errors
from forecaster.forecasting.fallback import ZERO_SHOT
from forecaster.forecasting.predict import load_predictor
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.plan import Plan
from forecaster.preprocessing.read_data import build_data_request, read_data
from forecaster.problems import Problem
from forecaster.runs import Version, load_version, read_current
from forecaster.wording import count_of, count_steps

OTHER = "other"  # the forecasts of the second version in a comparison; those of the first are `MODEL`
_TOLERANCE = 1e-6  # relative difference of values that rounding explains
_NOT_COMPARABLE = {"other-frequency", "no-common-series", "other-values"}


class Contender(NamedTuple):
    """A version to compare.

    Attributes:
        predictor: of the version.
        panel: the series as its config reads them, without padding.
        known: steps of each series in its training data, (series,); 0 for series that it was not trained on.
    """

    predictor: Predictor
    panel: Panel
    known: np.ndarray

    @property
    def read_steps(self) -> int:
        """Steps that must be known at an origin."""
        return self.predictor.config.context_steps - self.predictor.config.padding_steps


def load_contender(version: Version, panel: Panel) -> Contender:
    """Load a version, to compare it on a panel that its config reads; of a refit the networks before it.

    A refit has seen all rows of its data, so that what it was trained on and what follows share none.

    Raises:
        RunError: it is damaged, or too old to record where its training data ends.
    """
    ends = read_training_ends(version, version.has_refit)
    known = np.array([count_known_steps(version, series, ends) for series in panel], int)
    return Contender(load_predictor(version, version.has_refit), panel, known)


class _Shared(NamedTuple):
    """Where a group of series of two panels can be forecast from.

    Attributes:
        members, others: the numbers of the series in the first panel, and in the second.
        begin, end: the first and the last origin, in steps of the first panel.
        steps: the steps in the second panel of the first's from `begin` on.
        known: steps of the first panel in the training data of either.
    """

    members: list[int]
    others: list[int]
    begin: int
    end: int
    steps: np.ndarray
    known: int


def compare_versions(first: Contender, second: Contender) -> Comparison:
    """Forecast with two versions and the default baselines from origins after the training data of both.

    The forecasts of the first are called `MODEL`, those of the second `OTHER`. Only series that both were trained on
    are compared, over the shorter of both horizons.

    Raises:
        UsageError: they have no series in common, or read other steps or other values.
        DataError: there are no rows after the training data of both.
    """
    configs = first.predictor.config, second.predictor.config
    horizon = min(config.window.horizon for config in configs)
    shared, channels = _find_shared(first, second, horizon)
    ranges = [(group.begin, group.end) for group in shared for _ in group.members]
    members = [member for group in shared for member in group.members]
    affordable = min(count_affordable(each.predictor, len(members)) for each in (first, second))
    origins = space_origins(first.panel, members, ranges, channels, affordable)
    others = _translate(origins, shared, second.panel)
    actual = origins.read_actuals(horizon)  # (origins, horizon)
    _check_values(actual, others.read_actuals(horizon))
    season, levels = configs[0].data.main_season, configs[0].forecast.levels
    seasons = configs[0].data.seasons or (1,)
    names = select_default_baselines(season if origins.steps.min() >= season else 1)
    known = np.zeros(len(first.panel), int)
    known[members] = [group.known for group in shared for _ in group.members]
    baselines = {name: forecast_with_baseline(name, origins, horizon, seasons, levels) for name in names}
    zero_shot = baselines[ZERO_SHOT].mean  # forecast once, also for versions that read the same
    theirs = zero_shot if second.panel is first.panel and configs[1].data.seasons == configs[0].data.seasons else None
    return Comparison(
        {
            MODEL: forecast_with_network(first.predictor, origins, horizon, zero_shot)[MODEL],
            OTHER: forecast_with_network(second.predictor, others, horizon, theirs)[MODEL],
            **baselines,
        },
        origins,
        number_by_step(origins),
        actual,
        compute_scale(origins, known, season),
        1,
        levels,
        max(1, len(first.predictor.members)),
        "conformal" if configs[0].conformal else "head",
    )


def _find_shared(first: Contender, second: Contender, horizon: int) -> tuple[list[_Shared], int]:
    """Find the groups of series that two versions can both be scored on, and the number of series in a group."""
    if first.panel.frequency != second.panel.frequency:
        detail = {"frequencies": [count_steps(1, each.panel.frequency) for each in (first, second)]}
        raise UsageError(Problem("other-frequency", detail=detail))
    groups, channels = _match_series(first, second)
    if not groups:
        raise UsageError(Problem("no-common-series"))
    found = [_find_range(first, second, *group, horizon) for group in groups]
    shared = [each for each in found if each is not None]
    if not shared:
        raise DataError(Problem("no-common-rows"))
    return shared, channels


def _match_series(first: Contender, second: Contender) -> tuple[list[tuple[list[int], list[int]]], int]:
    """Match the series by name and target that both versions were trained on: their numbers in both panels.

    Series that one of the versions reads jointly stay together.
    """
    sizes = [each.predictor.config.channels for each in (first, second)]
    one, other = _number_known(first), _number_known(second)
    channels = max(sizes)
    leader = first.panel if sizes[0] == channels else second.panel
    keys, groups = list(zip(leader.names, leader.targets, strict=True)), []
    for begin in range(0, len(keys), channels):
        names = keys[begin : begin + channels]
        if all(name in one and name in other for name in names):
            pair = [one[name] for name in names], [other[name] for name in names]
            if all(size == 1 or _is_group(numbers, channels) for size, numbers in zip(sizes, pair, strict=True)):
                groups.append(pair)
    return groups, channels


def _number_known(contender: Contender) -> dict[tuple[str, str], int]:
    """Find the number of each series that a version was trained on, by its name and target."""
    panel = contender.panel
    names = enumerate(zip(panel.names, panel.targets, strict=True))
    return {name: number for number, name in names if contender.known[number]}


def _is_group(numbers: list[int], channels: int) -> bool:
    """Whether series are those of one group of a panel, in its order."""
    return numbers[0] % channels == 0 and numbers == list(range(numbers[0], numbers[0] + channels))


def _find_range(
    first: Contender, second: Contender, members: list[int], others: list[int], horizon: int
) -> _Shared | None:
    """Find the origins of a group after both training parts, with a window in both panels; None where there are none.

    They end where a whole horizon follows, or there is the first alone where none does.
    """
    known, count = int(first.known[members].max()), int(first.panel.lengths[members[0]])
    if first.panel is second.panel:
        known, steps = max(known, int(second.known[others].max())), np.arange(count)
    else:
        times, other_times = first.panel[members[0]].timestamps, second.panel[others[0]].timestamps
        last_known = other_times[int(second.known[others].max()) - 1]
        known = max(known, int(times.searchsorted(last_known, side="right")))
        steps = other_times.get_indexer(times)
    usable = (steps >= second.read_steps - 1) & (np.arange(count) >= max(known, first.read_steps) - 1)
    usable[-1] = False  # nothing follows
    if not usable.any():
        return None
    last = int(np.flatnonzero(usable)[-1])
    begin = int(np.max(np.flatnonzero(~usable[:last]), initial=-1)) + 1
    return _Shared(members, others, begin, max(begin, last + 1 - horizon), steps[begin:], known)


def _translate(origins: Origins, shared: list[_Shared], panel: Panel) -> Origins:
    """Find the same origins in the panel of the second version."""
    groups = {member: (group, place) for group in shared for place, member in enumerate(group.members)}
    pairs = [groups[member] for member in origins.members.tolist()]
    members = np.array([group.others[place] for group, place in pairs], int)
    steps = [group.steps[step - group.begin] for (group, _), step in zip(pairs, origins.steps.tolist(), strict=True)]
    return Origins(panel, members, np.array(steps, int))


def _check_values(one: np.ndarray, other: np.ndarray) -> None:
    """Check that two versions read the same values, each (origins, horizon); NaN where one is not observed."""
    if np.isnan(one).all():
        raise DataError(Problem("no-common-rows"))
    both = ~np.isnan(one) & ~np.isnan(other)
    if not np.allclose(one[both], other[both], rtol=_TOLERANCE, atol=0):
        raise UsageError(Problem("other-values"))


@dataclass(frozen=True)
class Challenge:
    """How a new version compares with the version in use.

    Attributes:
        champion: the name of the version in use; None where there is none.
        outcome: `first` (there is no version in use), `not-worse`, `worse`, `no-common-rows` (none that neither was
            trained on), `not-comparable` (other series or steps), or `unreadable` (the version in use).
        margin: by how much the new version's error may be larger, as a fraction of the other's.
        reason: why there are no scores.
        summary: scores by `challenger`, `champion` and baseline, and what they were measured on; empty without them.
    """

    champion: str | None
    outcome: str
    margin: float = 0.0
    reason: str = ""
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_worse(self) -> bool:
        """Whether the scores speak against the new version."""
        return self.outcome == "worse"

    def decide(self, rule: str) -> bool:
        """Decide whether the new version is put into use.

        Args:
            rule: `always`, `never`, or `better`: where it is not worse by the margin, or where nothing is known of the
                version in use or it forecasts something else; not where there are no rows to compare on.
        """
        if rule == "better":
            return self.outcome not in {"worse", "no-common-rows"}
        return rule == "always" or self.outcome == "first"

    def to_json(self, rule: str, promote: bool) -> dict[str, Any]:
        """Convert to the JSON values of `challenge.json`."""
        decision = {"champion": self.champion, "outcome": self.outcome, "rule": rule, "margin": self.margin}
        return {**decision, "promote": promote, "reason": self.reason, **self.summary}

    def describe(self, run: Path, version: str, promoted: bool, pinned: bool) -> Problem | None:
        """Describe which version is in use now, and why; None for the first version of a run."""
        if self.outcome == "first":
            return None
        detail: dict[str, Any] = {"run": str(run), "version": version, "champion": self.champion, "pinned": pinned}
        if not self.summary:
            lost = self.outcome == "no-common-rows" and not promoted
            code = "challenger-without-rows" if lost else "champion-not-comparable"
            return Problem(code, detail={**detail, "promoted": promoted, "reason": self.reason})
        measure, few = self.summary["measure"], self.summary["separate"] < MIN_FORECASTS
        scores = self.summary["scores"]
        error, champion_error = (float(scores[name][measure]) for name in ("challenger", "champion"))
        detail |= {"measure": measure.upper(), "error": error, "champion_error": champion_error}
        detail |= {"difference": describe_difference(error, champion_error)}
        detail |= {"forecasts": describe_forecasts(self.summary), "few": few}
        return Problem("challenger-promoted" if promoted else "challenger-not-promoted", detail=detail)

    def to_text(self) -> str:
        """Format the errors of both versions and the best baseline as a table; empty where there are none."""
        labels = {"challenger": "new version", "champion": f"in use ({self.champion})"}
        return _format_table(self.summary, labels) if self.summary else ""


def _format_table(summary: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """Format the errors of two versions, under their labels, and of the best baseline."""
    best = summary["baseline"]
    labels = {**labels, best: LABELS[best]}
    ahead = count_steps(summary["horizon"], summary["frequency"])
    title = f"error over {count_of(summary['origins'], 'origin')}, {ahead} ahead"
    return format_errors(title, {name: summary["scores"][name] for name in labels}, labels)


def challenge(run: Path, plan: Plan, predictor: Predictor, margin: float = 0.0) -> Challenge:
    """Compare a new version, which is not written yet, with the version in use.

    Args:
        run: the folder.
        plan: of the new version.
        predictor: of the new version, calibrated.
        margin: by how much its error may be larger, as a fraction of the other's.
    """
    try:
        name = read_current(run)
    except RunError as error:
        return Challenge("an unknown version", "unreadable", margin, str(error))
    if name is None:
        return Challenge(None, "first", margin)
    padding = plan.config.padding_steps
    known = spread_over_panel(plan, [split.validation_end - padding for split in plan.members.splits])
    challenger = Contender(predictor, plan.members.panel.drop_steps(padding), known)
    paths = build_data_request(plan.config).paths
    try:
        version = load_version(run)
        champion = load_contender(version, _read_panel(version, plan.config, paths, challenger.panel))
        comparison = compare_versions(challenger, champion)
    except ForecasterError as error:
        code = error.problems[0].code
        outcome = "not-comparable" if code in _NOT_COMPARABLE else "no-common-rows" if code == "no-common-rows" else ""
        return Challenge(name, outcome or "unreadable", margin, str(error.problems[0]))
    return judge_challenge(name, comparison, margin)


def judge_challenge(champion: str, comparison: Comparison, margin: float) -> Challenge:
    """Judge a new version (`MODEL`) against the version in use (`OTHER`) by its MASE.

    MAE decides where no series has a scale. An error that is equal, as `EQUAL` defines it, such as that of the
    same training repeated, is not worse.
    """
    facts = _summarize(comparison, "challenger", "champion")
    measure, scores = facts["measure"], facts["scores"]
    if measure not in scores["champion"]:
        raise DataError(Problem("no-common-rows"))
    worse = scores["challenger"][measure] > scores["champion"][measure] * (1 + margin) * (1 + EQUAL)
    return Challenge(champion, "worse" if worse else "not-worse", margin, summary=facts)


def _summarize(comparison: Comparison, first: str, second: str) -> dict[str, Any]:
    """Summarize what a comparison of two versions was made on, and its scores by name, those of the versions first."""
    summary, origins = comparison.summary, comparison.origins
    measure, scores = summary["measure"], dict(summary["scores"])
    versions = {first: scores.pop(MODEL), second: scores.pop(OTHER)}
    kept = ("measure", "horizon", "frequency", "series", "origins", "forecasts", "separate")
    times = [series.timestamps[step] for series, step in zip(origins.series, origins.steps.tolist(), strict=True)]
    return {
        **{key: summary[key] for key in kept},
        "first_origin": str(min(times)),
        "last_origin": str(max(times)),
        "diebold_mariano": summary["diebold_mariano"][OTHER],
        "baseline": min(scores, key=lambda name: scores[name].get(measure, np.inf)),
        "scores": {**versions, **scores},
    }


def _read_panel(version: Version, config: Config, paths: Paths, panel: Panel) -> Panel:
    """Read data as a version does; `panel`, which a config read from the same paths, where that is the same."""
    same = build_data_request(version.config, paths) == build_data_request(config, paths)
    if same and version.config.model.channels == config.model.channels:
        return panel
    return read_data(version.config, paths)


@dataclass(frozen=True)
class RunComparison:
    """Two runs compared on the same data.

    Attributes:
        labels: how each run is called, by `first` and `second`.
        versions: the name of each version.
        summary: scores by `first`, `second` and baseline, and what they were measured on.
    """

    labels: Mapping[str, str]
    versions: Mapping[str, str]
    summary: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON values."""
        runs = {name: {"run": self.labels[name], "version": version} for name, version in self.versions.items()}
        return {"runs": runs, **self.summary, "verdict": self.verdict}

    def to_text(self) -> str:
        """Format the errors as a table, and whether one of the runs is better."""
        return f"{_format_table(self.summary, self.labels)}\n{self.verdict}\n"

    @property
    def verdict(self) -> str:
        """Whether one of the runs is better, from how many forecasts, and whether that may be chance."""
        measure, p_value = self.summary["measure"], self.summary["diebold_mariano"].get("p_value")
        error, other = (float(self.summary["scores"][name][measure]) for name in self.labels)
        better = self.labels["first" if error <= other else "second"]
        difference = f"the {measure.upper()} of {self.labels['first']} is {describe_difference(error, other)} that of"
        fact = f"{difference} {self.labels['second']}, over {describe_forecasts(self.summary)}"
        match judge_errors(error, other, self.summary["separate"], p_value):
            case "too few":
                return f"Too few forecasts for a verdict, which needs {MIN_FORECASTS} that do not overlap: {fact}."
            case "equal":
                return f"Neither is better: {fact}."
            case "unclear":
                chance = "" if p_value is None else f" (Diebold-Mariano p = {p_value:.2g})"
                return f"No verdict: {fact}; that may be chance{chance}."
        return f"{better} is better: {fact} (Diebold-Mariano p = {p_value:.2g})."


def compare_runs(first: tuple[Path, Version], second: tuple[Path, Version], data: Path | None = None) -> RunComparison:
    """Compare two versions, each with its folder, from origins that neither was trained on.

    Args:
        first, second: the folder that the user named, and the version.
        data: a data file; that of the first version where None.

    Raises:
        UsageError: they have no series in common, or read other steps or other values.
        DataError: the data cannot be read, or have no rows after the training data of both.
        RunError: one is damaged, or too old to record where its training data ends.
    """
    (_, one), (_, other) = first, second
    request = build_data_request(one.config, data)
    panel = read_data(one.config, request.paths)
    comparison = compare_versions(
        load_contender(one, panel), load_contender(other, _read_panel(other, one.config, request.paths, panel))
    )
    labels = {"first": str(first[0]), "second": str(second[0])}
    versions = {"first": one.path.name, "second": other.path.name}
    return RunComparison(labels, versions, _summarize(comparison, "first", "second"))
