"""The names of calendar features: how they are written, and which of them cannot go together."""

import re
from collections.abc import Iterator, Sequence

from forecaster.config.reader import suggestion
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


def country_of(name: str) -> tuple[str, str | None]:
    """The country of a `holiday.US-CA`, and its subdivision where one is named."""
    country, _, subdivision = name.removeprefix(HOLIDAY).partition("-")
    return country, subdivision or None


def orders_of(name: str, seasons: Sequence[int]) -> dict[int, int]:
    """The highest order of each season of a `fourier.168.3`, or of a `fourier.3`, which is told of all `seasons`."""
    found = _FOURIER.fullmatch(name)
    if found is None:
        return {}
    return dict.fromkeys([int(found["season"])] if found["season"] else seasons, int(found["order"]))


def misnamed(value: object) -> str | None:
    """What is expected instead of a name that is none, or whose holidays nobody knows; None where all is well."""
    if not is_known(value):
        expected = f"expected {', '.join(CYCLES)}, {WEEKEND}, holiday.DE, fourier.3 or fourier.168.3"
        return expected + suggestion(str(value), [*CYCLES, WEEKEND, "holiday.DE", "fourier.3"])
    name = str(value)
    return _unknown_country(*country_of(name)) if name.startswith(HOLIDAY) else None


def clashes(names: Sequence[str], seasons: Sequence[int] | None) -> Iterator[tuple[int, str]]:
    """Names that cannot stand beside those before them, or that their season does not take: number and sentence.

    Args:
        names: each is known.
        seasons: steps in each season of the series; None where they are not known yet.
    """
    told: set[str | int] = set()
    for index, name in enumerate(names):
        orders = orders_of(name, seasons or ())
        for what in orders or [name]:
            if what in told:
                yield index, f"{name}: {f'a season of {what} steps' if orders else 'it'} is told already; remove it"
        told.update(orders or [name])
        if seasons is not None and not is_dated(name) and not orders:
            yield index, f"{name} tells of every season, and there is none; set data.season, or name its steps: {name}"
        for season, order in orders.items():
            if 2 * order > season:
                yield index, f"{name}: a season of {season} steps has orders up to {season // 2}; {_lower(season)}"


def _lower(season: int) -> str:
    return f"use fourier.{season}.{season // 2}" if season > 1 else "remove it"


def _unknown_country(country: str, subdivision: str | None) -> str | None:
    if not is_installed("holidays"):
        return f"which needs a package that is not installed: {install_command('holidays')}"
    import holidays  # noqa: PLC0415  an optional dependency

    known = holidays.list_supported_countries(include_aliases=False)
    if country not in known:
        example = f", did you mean {country.upper()!r}?" if country.upper() in known else ""
        return f"expected the two letters of a country, such as holiday.DE or holiday.US-CA{example}"
    if subdivision is None or subdivision in known[country]:
        return None
    if not known[country]:
        return f"but no part of {country} has holidays of its own: use holiday.{country}"
    example = f", did you mean {subdivision.upper()!r}?" if subdivision.upper() in known[country] else ""
    return f"expected a part of {country}: {', '.join(sorted(known[country]))}{example}"
