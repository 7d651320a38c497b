"""The seasons of the series that are forecast: that of their frequency first, and others that the data show."""

from collections.abc import Sequence
from dataclasses import replace

from forecaster.data import Series
from forecaster.problems import Problem
from forecaster.time.seasons import (
    find_longer_seasons,
    find_natural_season,
    find_seasons,
    find_shared_seasons,
    find_shared_weeks,
    keep_apart,
)


def find_series_seasons(series: Series) -> tuple[tuple[int, ...], Problem | None]:
    """Find the steps in each season of a series, the main one first; with a notice where the data decide.

    The season of the frequency comes first; autocorrelation finds one where the frequency has none. Longer ones follow
    where the data show them. None where there is none.
    """
    natural = _find_series_season(series)
    found = find_seasons(series.values)
    main = natural if natural > 1 else next(iter(found), 1)
    if main == 1:
        return (), None
    longer = find_longer_seasons(series.values, series.frequency, main)
    others = [season for season in found if len(keep_apart([main, *longer, season])) > 1 + len(longer)]
    return (main, *longer), _make_notice(series, natural, [main, *longer], others)


def find_panel_seasons(panel: Sequence[Series]) -> tuple[tuple[int, ...], Problem | None]:
    """Find the seasons that several series share, as `find_series_seasons` does for one.

    Where the frequency has no season, autocorrelations are averaged over the series, so that short ones show together
    what none of them shows alone. A longer season counts where at least half of the series show it, or the mean
    autocorrelation shows a week.
    """
    first = panel[0]
    natural = max(map(_find_series_season, panel))
    shared = [] if natural > 1 else find_shared_seasons([series.values for series in panel])
    main = natural if natural > 1 else next(iter(shared), 1)
    if main == 1:
        return (), None
    each = [season for series in panel for season in find_longer_seasons(series.values, series.frequency, main)]
    longer = [season for season in sorted(set(each)) if each.count(season) >= len(panel) / 2]
    longer = longer or find_shared_weeks([series.values for series in panel], first.frequency, main)
    others = [season for season in shared if len(keep_apart([main, *longer, season])) > 1 + len(longer)]
    notice = _make_notice(first, natural, [main, *longer], others)
    if notice is not None:
        notice = replace(notice, detail={**notice.detail, "series": f"{len(panel):,} series"})
    return (main, *longer), notice


def _find_series_season(series: Series) -> int:
    return find_natural_season(series.frequency, series.rules, len(series), lambda: series.timestamps)


def _make_notice(series: Series, natural: int, seasons: list[int], others: list[int]) -> Problem | None:
    """Give a notice of seasons that the data show, where they show any."""
    main, *longer = seasons
    if natural > 1 and not longer and not others:
        return None
    instead = next(iter([*longer, *others]), None) if natural > 1 else None
    detail = {"series": series.name, "main": main, "frequency": series.frequency, "natural": natural > 1}
    detail |= {"longer": longer, "longer_by_data": bool(longer) and natural > 1, "others": others, "instead": instead}
    return Problem("seasons-found", detail=detail)
