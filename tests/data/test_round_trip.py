"""Read, written, read again: a panel comes back as it was, whatever its frequency, its gaps and its covariates."""

import csv
import io

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.reading import read_columns, read_series

FREQUENCIES = ["s", "15min", "h", "6h", "D", "B", "W-MON", "MS", "ME", "QS-OCT", "QE-DEC", "YS", "2D", "step"]
NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6).filter(
    lambda text: text.lower() not in {"na", "n/a", "nan", "null", "none", "nat"}
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64).filter(lambda value: abs(value) < 1e300)


@st.composite
def panels(draw) -> tuple[str, dict[str, pd.DataFrame]]:
    """A frequency, and of each series its rows: timestamp, y, x (numbers) and z (text), with cells missing.

    The first of y is there and another one is, which is the last; behind it x and z continue.
    """
    frequency = draw(st.sampled_from(FREQUENCIES))
    frames = {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        steps, ahead = draw(st.integers(2, 9)), draw(st.integers(0, 3))
        first = draw(st.integers(0, 5))
        if frequency == "step":
            index = pd.RangeIndex(first, first + steps + ahead)
        else:
            index = pd.date_range("2023-12-30", periods=first + steps + ahead, freq=frequency)[first:]
        maybe = st.none() | NUMBERS
        y = [draw(NUMBERS), *(draw(maybe) for _ in range(steps - 2)), draw(NUMBERS), *[None] * ahead]
        x = [draw(maybe) for _ in index]
        z = [draw(st.none() | NAMES.filter(lambda text: not text[0].isdigit())) for _ in index]
        x[-1], z[-1] = draw(NUMBERS), "z"  # so that the last row counts
        frames[name] = pd.DataFrame({"t": index, "y": y, "x": x, "z": z}, dtype=object)
    return frequency, frames


def written(frames: dict[str, pd.DataFrame]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "t", "y", "x", "z"])
    for name, frame in frames.items():
        for t, y, x, z in frame.itertuples(index=False):
            numbers = ["" if pd.isna(value) else repr(float(value)) for value in (y, x)]
            writer.writerow([name, t, *numbers, z or ""])
    return text.getvalue()


def read(path, frequency: str) -> dict[str, pd.DataFrame]:
    """The same frames from a CSV, with every step of their grids."""
    options = {"columns": ["x", "z"], "categorical": ["z"]}
    panel = read_series(path, "t", "y", frequency, "mask", series="id", **options)
    frames = {}
    for series in panel:
        x, z = series.covariates["x"].values, series.covariates["z"]
        ahead = len(x) - len(series)
        timestamps = [*series.timestamps, *(series.list_future_timestamps(ahead) if ahead else [])]
        texts = [z.levels[number] if number >= 0 else None for number in z.values]
        values = np.concatenate([series.values, np.full(ahead, np.nan)])
        frames[series.name] = pd.DataFrame({"t": timestamps, "y": values, "x": x, "z": texts}, dtype=object)
    return frames


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(panels(), st.randoms(use_true_random=False))
def test_a_panel_read_and_written_comes_back_as_it_was(tmp_path, drawn, random):
    frequency, frames = drawn
    path = tmp_path / "x.csv"
    text = written(frames)
    header, *rows = list(csv.reader(io.StringIO(text)))
    path.write_text(text, encoding="utf-8")
    found = read(path, frequency)
    assert written(found) == text
    random.shuffle(rows)  # the order of rows decides the order of series, and nothing else
    shuffled = io.StringIO()
    csv.writer(shuffled, lineterminator="\n").writerows([header, *rows])
    path.write_text(shuffled.getvalue(), encoding="utf-8")
    again = read(path, frequency)
    assert written({name: again[name] for name in frames}) == text


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(panels())
def test_covariates_alone_are_read_as_with_a_target(tmp_path, drawn):
    frequency, frames = drawn
    path = tmp_path / "x.csv"
    path.write_text(written(frames), encoding="utf-8")
    found = read_columns(path, "t", "id", ["x", "z"], ["z"], frequency)
    for name, frame in frames.items():
        further = found[name]
        x, z = further.columns["x"].values, further.columns["z"]
        np.testing.assert_array_equal(x, frame["x"].astype(float))
        assert [z.levels[number] if number >= 0 else None for number in z.values] == frame["z"].tolist()
        assert list(further.timestamps) == frame["t"].tolist()
