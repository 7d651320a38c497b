"""The output that docs/data.md quotes is what the program prints."""

import datetime
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helpers.command import ROOT

HOUR, DAY = datetime.timedelta(hours=1), datetime.timedelta(days=1)
START = datetime.datetime(2024, 1, 1)


def _hourly(count: int, start: datetime.datetime = START) -> Iterator[tuple[datetime.datetime, float]]:
    return ((start + step * HOUR, 100 + 20 * abs(step % 24 - 12) + step % 7 / 10) for step in range(count))


def _german() -> str:
    marks = str.maketrans(",.", ".,")
    rows = (f"{time:%d.%m.%Y %H:%M};{format(value * 10, ',.2f').translate(marks)}\n" for time, value in _hourly(400))
    return "".join(["Zeit;Last\n", *rows])


def _gap() -> str:
    rows = [f"{time},{value:.2f}\n" for time, value in _hourly(960)]
    return "".join(["time,load\n", *rows[:100], *rows[130:]])


def _berlin() -> str:
    """Local times of Berlin, of which the hour from 2:00 repeats on 2024-10-27."""
    rows = [f"{time},{value:.2f}\n" for time, value in _hourly(480, datetime.datetime(2024, 10, 20))]
    return "".join(["time,load\n", *rows[:171], *rows[170:]])


def _dates() -> str:
    return "time,load\n" + "".join(f"{START + step * DAY:%d/%m/%Y},{step}\n" for step in range(10))


def _months() -> str:
    return "period,load\n" + "".join(f"2024{month:02},{month % 5}\n" for month in range(1, 10))


def _shops() -> str:
    rows = [f"{START + step * DAY:%Y-%m-%d},{shop},{step % 7}\n" for shop in "ABC" for step in range(200)]
    return "".join(["day,shop,sold\n", *rows])


def _sales() -> str:
    return "time,sold\n" + "".join(
        f"{time},{0 if step == 7 else value}\n" for step, (time, value) in enumerate(_hourly(400))
    )


FILES: dict[str, Callable[[], str]] = {
    "german.csv": _german,
    "gap.csv": _gap,
    "berlin.csv": _berlin,
    "dates.csv": _dates,
    "months.csv": _months,
    "shops.csv": _shops,
    "sales.csv": _sales,
}
SALES = "data: {path: sales.csv, transform: log}\nwindow: {length: 48, horizon: 24}\n"


def _examples() -> dict[str, list[str]]:
    """The lines that the page quotes, by the command that prints them."""
    blocks = re.findall(
        r"^```\n\$ (forecast .*)\n((?:.*\n)+?)```", (ROOT / "docs" / "data.md").read_text(), re.MULTILINE
    )
    return {command: quoted.splitlines() for command, quoted in blocks}


@pytest.mark.parametrize("command", _examples())
def test_the_page_quotes_what_is_printed(command: str, forecast, tmp_path: Path):
    for name, make in FILES.items():
        (tmp_path / name).write_text(make())
    (tmp_path / "sales.yaml").write_text(SALES)
    _, verb, source = command.split()
    printed = forecast(verb, source, "--verbose", cwd=tmp_path)
    lines = (printed.stdout + printed.stderr).replace(f"{tmp_path}/", "").splitlines()
    for quoted in _examples()[command]:
        pattern = ".*".join(re.escape(part) for part in quoted.split("..."))
        assert any(re.fullmatch(pattern, line) for line in lines), f"{quoted!r} is not among\n" + "\n".join(lines)


def test_the_page_has_examples():
    assert len(_examples()) == len(FILES)
