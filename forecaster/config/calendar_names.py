"""The names of calendar features: how they are written, and which of them cannot go together."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from forecaster.config.invalid_value import InvalidValue
from forecaster.config.reader import find_nearest_name
from forecaster.extras import install_command, is_installed

CYCLES = ("minute", "hour", "weekday", "day", "week", "month", "quarter", "yearday")
WEEKEND = "weekend"
HOLIDAY, FOURIER = "holiday.", "fourier."
_FOURIER = re.compile(r"fourier(?:\.(?P<season>[1-9]\d{0,6}))?\.(?P<order>[1-9]\d{0,2})")


def is_known(value: object) -> bool:
    """Whether a name is one of a feature; its holidays and seasons may still be unknown."""
    if not isinstance(value, str):
        return False
    return value in {*CYCLES, WEEKEND} or value.startswith(HOLIDAY) or _FOURIER.fullmatch(value) is not None


def is_dated(name: str) -> bool:
    """Whether a feature is read off dates, and not off the number of a step."""
    return not name.startswith(FOURIER)


def split_country(name: str) -> tuple[str, str | None]:
    """Split `holiday.US-CA` into the country and the subdivision, None where none is named."""
    country, _, subdivision = name.removeprefix(HOLIDAY).partition("-")
    return country, subdivision or None


def find_orders(name: str, seasons: Sequence[int]) -> dict[int, int]:
    """Find the highest order of each season of a `fourier.168.3`, or of a `fourier.3`, which has all `seasons`."""
    found = _FOURIER.fullmatch(name)
    if found is None:
        return {}
    return dict.fromkeys([int(found["season"])] if found["season"] else seasons, int(found["order"]))


def check_feature_name(value: object) -> InvalidValue | None:
    """Report a name that is no feature, or whose holidays are not known; None where it is valid."""
    if not is_known(value):
        expected = f"{', '.join(CYCLES)}, {WEEKEND}, holiday.DE, fourier.3 or fourier.168.3"
        nearest = find_nearest_name(str(value), [*CYCLES, WEEKEND, "holiday.DE", "fourier.3"])
        return InvalidValue(expected, nearest)
    name = str(value)
    return _check_country(*split_country(name)) if name.startswith(HOLIDAY) else None


def find_clashes(names: Sequence[str], seasons: Sequence[int] | None) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Find names that repeat those before them, or that their season does not take.

    Args:
        names: each is known.
        seasons: steps in each season of the series; None where they are not known yet.

    Yields:
        The number of the name, and the code and the detail of its problem.
    """
    seen: set[str | int] = set()
    for index, name in enumerate(names):
        orders = find_orders(name, seasons or ())
        for feature in orders or [name]:
            if feature in seen:
                season = feature if isinstance(feature, int) else 0
                yield index, "repeated-feature", {"name": name, "season": season}
        seen.update(orders or [name])
        if seasons is not None and not is_dated(name) and not orders:
            order = name.rpartition(".")[2]
            yield index, "feature-without-season", {"name": name, "example": f"{FOURIER}24.{order}"}
        for season, order_of_season in orders.items():
            if 2 * order_of_season > season:
                instead = f"use fourier.{season}.{season // 2}" if season > 1 else "remove it"
                detail = {"name": name, "season": season, "most": season // 2, "instead": instead}
                yield index, "order-too-high", detail


def _check_country(country: str, subdivision: str | None) -> InvalidValue | None:
    if not is_installed("holidays"):
        return InvalidValue(code="holidays-not-installed", command=install_command("holidays"))
    import holidays  # noqa: PLC0415  an optional dependency

    known = holidays.list_supported_countries(include_aliases=False)
    if country not in known:
        nearest = country.upper() if country.upper() in known else ""
        return InvalidValue("the two letters of a country, such as holiday.DE or holiday.US-CA", nearest)
    if subdivision is None or subdivision in known[country]:
        return None
    if not known[country]:
        return InvalidValue(code="no-regional-holidays", country=country)
    nearest = subdivision.upper() if subdivision.upper() in known[country] else ""
    return InvalidValue(f"a part of {country}: {', '.join(sorted(known[country]))}", nearest)
