"""Covariates: their encodings, what stands for missing cells, and networks that read them."""

import numpy as np
import pandas as pd
import pytest

from forecaster.config.sections import Model
from forecaster.data import Series
from forecaster.data.features import Encoding, Features, filled_column, fit_columns, fit_scale, fit_static
from forecaster.data.scaling import Scaler
from forecaster.data.series import Column
from forecaster.errors import DataError
from forecaster.inference import Rollout
from forecaster.inputs import Inputs
from forecaster.models import build_network

from .networks import fitted, randomised

NAN = float("nan")
SCALER = Scaler(10.0, 2.0)


def series_of(steps: int = 4, name: str = "a", categories=None, **covariates) -> Series:
    """Daily from 2026-01-01; a list of numbers is a numeric column, (numbers, levels) a categorical one."""
    columns = {
        key: Column(np.array(values[0], np.int32), values[1])
        if isinstance(values, tuple)
        else Column(np.array(values, float))
        for key, values in covariates.items()
    }
    timestamps = pd.date_range("2026-01-01", periods=steps)
    return Series(
        name, "y", "t", timestamps, np.arange(steps, dtype=float), "D", (), categories or {}, covariates=columns
    )


def test_numbers_become_standard_scores_and_categories_a_one_each():
    number, category = Encoding("x", 3.0, 2.0), Encoding("z", levels=("rain", "sun"))
    np.testing.assert_array_equal(number.column(Column(np.array([3.0, 7]))), [[0], [2]])
    column = Column(np.array([1, 0, 2], np.int32), ("sun", "rain", "snow"))  # snow was not trained on
    np.testing.assert_array_equal(category.column(column), [[1, 0], [0, 1], [0, 0]])


def test_encodings_are_fitted_on_the_training_parts_of_all_series():
    panel = [series_of(3, x=[1, 3, 99], z=([0, 0, 1], ("b", "c"))), series_of(3, x=[5, NAN, 99], z=([0, 0, 0], ("a",)))]
    numbers, categories = fit_columns(["x", "z"], panel, [2, 2])
    assert numbers == Encoding("x", 3.0, float(np.std([1, 3, 5])))
    assert categories.levels == ("b", "c", "a")
    assert fit_columns(["x"], [series_of(2, x=[4, 4])], [2])[0] == Encoding("x", 4.0, 1.0)  # constant: 0 throughout


def test_static_covariates_are_numbers_unless_they_are_called_categories_or_are_text():
    panel = [series_of(categories={"size": "10", "kind": "1", "town": "Ulm"}),
             series_of(categories={"size": "30", "kind": "2", "town": "Bonn"})]  # fmt: skip
    size, kind, town = fit_static(["size", "kind", "town"], ["kind"], panel)
    assert (size, kind.levels, town.levels) == (Encoding("size", 20.0, 10.0), ("1", "2"), ("Ulm", "Bonn"))


def test_the_scale_of_a_series_is_told_in_logarithms():
    found = Features(scale=fit_scale([Scaler(0.0, 1.0), Scaler(0.0, np.e**2)]))
    np.testing.assert_allclose(found.of(series_of(1), Scaler(0.0, np.e), 0, 1), [[0.0, 0.0]], atol=1e-7)
    np.testing.assert_allclose(found.of(series_of(1), Scaler(0.0, np.e**2), 0, 1), [[0.0, 1.0]], atol=1e-6)


@pytest.mark.parametrize(
    ("policy", "values", "rows", "expected"),
    [
        ("last", [NAN, 1, NAN, 3], 6, [1, 1, 1, 3, 3, 3]),
        ("seasonal", [1, 2, NAN, 4, NAN], 7, [1, 2, 1, 4, 1, 4, 1]),
        ("seasonal", [NAN, 2, 3, NAN], 4, [3, 2, 3, 2]),
        ("seasonal", [NAN, 2, NAN, 4], 4, [2, 2, 2, 4]),  # nothing of that phase: the first that is known
        ("error", [1, NAN], 3, [1, NAN, NAN]),
        ("last", [1, 2, 3], 2, [1, 2]),
    ],
)
def test_missing_cells_are_filled_by_policy(policy, values, rows, expected):
    np.testing.assert_array_equal(filled_column(Column(np.array(values, float)), rows, policy, 2).values, expected)


def test_missing_categories_are_filled_alike():
    column = Column(np.array([-1, 1, -1, 0], np.int32), ("a", "b"))
    np.testing.assert_array_equal(filled_column(column, 5, "last", 1).values, [1, 1, 1, 0, 0])


def test_features_stand_in_the_order_of_past_future_calendar_static_and_scale():
    series = series_of(3, temperature=[1, 2, 3], promo=[0, 1, 0, 1, 1], categories={"size": "4"})
    told = Features((Encoding("temperature"),), (Encoding("promo"),), (Encoding("size"),), calendar=("weekend",))
    found = told.of(series, SCALER, 1, 5)
    # Friday the 2nd, Saturday, Sunday, Monday; behind the end no temperature is known.
    np.testing.assert_array_equal(found, [[2, 1, 0, 4], [3, 0, 1, 4], [0, 1, 1, 4], [0, 1, 0, 4]])
    assert (told.past_width, told.known_width) == (1, 3)
    assert Features.from_json(told.to_json()) == told


def test_a_missing_cell_names_series_column_and_timestamp():
    told = Features((Encoding("temperature"),), (Encoding("promo"),))
    series = series_of(3, name="shop 7", temperature=[1, NAN, 3], promo=[0, 1, 0, 1])
    with pytest.raises(DataError) as caught:
        told.of(series, SCALER, 0, 6)
    past, future = caught.value.problems
    assert past == (
        "series shop 7: temperature: 1 cell is missing: 2026-01-02; give them; or say what stands for them: "
        "data.covariates.missing: {temperature: last | seasonal}"
    )
    assert future.startswith(
        "series shop 7: promo: 2 cells are missing: 2026-01-05, 2026-01-06; give them in rows behind"
    )
    told.of(series, SCALER, 2, 4)  # what is not read may be missing


LENGTH, AHEAD = 12, 6
DECODERS = {
    "dense": Model(cell="gru", units=[8], decoder="dense"),
    "positional": Model(cell="gru", units=[8], decoder="positional", segment=3),
    "seq2seq": Model(cell="gru", units=[8], decoder="seq2seq", segment=2),
    "context": Model(cell="gru", units=[8], decoder="context"),
    "rollout": Model(cell="gru", units=[8]),
    "sequence": Model(cell="gru", units=[8], output="sequence"),
}


def told_by_features(past: bool, ahead: int = AHEAD):
    """The value of a step is its known feature; or of every step the past feature at the end of the window."""

    def batch(generator):
        known = generator.normal(size=(64, LENGTH + ahead, 1)).astype("float32")
        values = np.repeat(known[:, LENGTH - 1 : LENGTH, 0], LENGTH + ahead, axis=1) if past else known[..., 0]
        noise = generator.normal(size=(64, LENGTH)).astype("float32")
        window, future = (noise, None) if past else (values[:, :LENGTH], known[:, LENGTH:])
        return Inputs(window, known[:, :LENGTH], future), values[:, LENGTH:]

    return batch


@pytest.mark.parametrize("name", DECODERS)
def test_a_network_learns_from_what_is_known_of_the_future(name):
    model = DECODERS[name]
    ahead = model.segment if model.decoder == "rollout" else AHEAD
    batch = told_by_features(past=False, ahead=ahead)
    network = fitted(build_network(model, LENGTH, ahead, season=6, known=1), batch, steps=250, rate=0.02)
    inputs, targets = batch(np.random.default_rng(9))
    assert np.mean((np.asarray(network(inputs))[..., 0] - targets) ** 2) < 0.15  # 1 without it


@pytest.mark.parametrize("name", ["dense", "positional", "seq2seq", "context"])
def test_a_network_learns_from_the_past_of_a_covariate(name):
    batch = told_by_features(past=True)
    network = fitted(build_network(DECODERS[name], LENGTH, AHEAD, season=6, past=1), batch, steps=250, rate=0.02)
    inputs, targets = batch(np.random.default_rng(9))
    assert np.mean((np.asarray(network(inputs))[..., 0] - targets) ** 2) < 0.15  # 1 without it


@pytest.mark.parametrize("kind", ["slide", "carry"])
@pytest.mark.parametrize("segment", [1, 2])
def test_a_rollout_reads_the_features_of_each_step_it_gives(kind, segment):
    network, served = randomised(Model(units=3, segment=segment), LENGTH, segment, known=2)
    generator = np.random.default_rng(1)
    window, told = (generator.normal(size=size).astype("float32") for size in ((2, LENGTH), (2, LENGTH + 5, 2)))
    found = Rollout(served, kind)(Inputs(window, told[:, :LENGTH], told[:, LENGTH:]), 5).mean
    known = window
    while known.shape[1] < LENGTH + 5:  # through Keras: all that is known by then is read again
        end = known.shape[1]
        first = end - LENGTH if kind == "slide" else 0
        future = told[:, end:][:, [0, 1 if end + 1 < LENGTH + 5 else 0][:segment]]
        answer = network(Inputs(known[:, first:], told[:, first:end], future))[..., 0]
        known = np.concatenate([known, answer], axis=1)
    np.testing.assert_allclose(found, known[:, LENGTH:][:, :5], atol=1e-5)


def test_a_sequence_to_sequence_is_told_the_features_of_each_step():
    network, served = randomised(Model(units=3, decoder="seq2seq", segment=2), LENGTH, AHEAD, past=1, known=2)
    generator = np.random.default_rng(1)
    window, told = (generator.normal(size=size).astype("float32") for size in ((2, LENGTH), (2, LENGTH + AHEAD, 3)))
    inputs = Inputs(window, told[:, :LENGTH], told[:, LENGTH:, 1:])
    found = Rollout(served, "carry")(inputs, AHEAD).mean
    np.testing.assert_allclose(found, network(inputs)[..., 0], atol=1e-5)
    other = inputs._replace(
        future=inputs.future + np.array([0, 0, 0, 0, 1, 1], "float32")[:, None]
    )  # the third segment
    np.testing.assert_allclose(Rollout(served, "carry")(other, AHEAD).mean[:, :4], found[:, :4], atol=1e-6)
    assert not np.allclose(
        Rollout(served, "carry")(other.rows(slice(None)), AHEAD).mean[:, 4:], found[:, 4:], atol=1e-3
    )
