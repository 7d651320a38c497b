"""Whether the network is called better, from how much evidence, and what is recommended where intervals are wrong."""

import pytest

from forecaster.evaluation.baselines import name_forecasters
from forecaster.evaluation.tables import format_error_table
from forecaster.evaluation.verdict import (
    describe_fallback,
    describe_training,
    describe_verdict,
    describe_wrong_coverage,
    judge,
)

SCORES = {"model": {"mae": 1.0}, "naive": {"mae": 2.0}, "seasonal_naive": {"mae": 4.0}}


def summary_of(model=1.0, p_value=0.01, separate=12, forecasts=12, horizon=6, **more):
    scores = {**SCORES, "model": {"mae": model}}
    facts = {"scores": scores, "measure": "mae", "separate": separate, "forecasts": forecasts, "horizon": horizon}
    tests = {"naive": {"statistic": 1.0, "p_value": p_value}} if p_value is not None else {"naive": {}}
    return {
        **facts,
        "series": 1,
        "origins": forecasts,
        "frequency": "h",
        "diebold_mariano": tests,
        "coverage": {},
        **more,
    }


@pytest.mark.parametrize(
    ("facts", "judged", "sentence"),
    [
        (
            summary_of(),
            "wins",
            "The network wins: its MAE is 50.0% below that of the naive (last value), over 12 forecasts of 6 hours "
            "(Diebold-Mariano p = 0.01).",
        ),
        (
            summary_of(model=3.0),
            "loses",
            "The naive (last value) wins: the network's MAE is 50.0% above it, over 12 forecasts of 6 hours "
            "(Diebold-Mariano p = 0.01); do not prefer this network.",
        ),
        (
            summary_of(p_value=0.3, separate=10, forecasts=60),
            "unclear",
            "No verdict: the network's MAE is 50.0% below that of the naive (last value), over 60 forecasts of 6 hours, "
            "10 without overlap; that may be chance (Diebold-Mariano p = 0.3).",
        ),
        (
            summary_of(p_value=None),
            "unclear",
            "No verdict: the network's MAE is 50.0% below that of the naive (last value), over 12 forecasts of 6 hours; "
            "that may be chance (the difference cannot be tested).",
        ),
        (
            summary_of(model=2.0),
            "equal",
            "The network is as good as the naive (last value), no better, over 12 forecasts of 6 hours.",
        ),
        (
            summary_of(separate=1, forecasts=1, horizon=1, frequency="MS"),
            "too few",
            "Too few forecasts for a verdict: 1 forecast of 1 month; it needs 10 that do not overlap. "
            "In these the network's MAE is 50.0% below that of the naive (last value).",
        ),
        (
            summary_of(separate=1, forecasts=3, horizon=12, frequency="MS", series=5, origins=15),
            "too few",
            "Too few forecasts for a verdict: 3 forecasts of 12 months of each of 5 series, 1 without overlap; "
            "it needs 10 that do not overlap. In these the network's MAE is 50.0% below that of the naive (last "
            "value).",
        ),
    ],
)
def test_a_verdict_needs_ten_forecasts_and_a_significant_difference(facts, judged, sentence):
    assert judge(facts) == judged
    assert describe_verdict(facts) == sentence


def test_forecasts_are_called_by_what_makes_them():
    facts = summary_of(networks=5)
    assert describe_verdict(facts).startswith(
        "The ensemble wins: its MAE is 50.0% below that of the naive (last value)"
    )
    facts["scores"] = {"network_alone": {"mae": 3.0}, **facts["scores"]}
    assert describe_verdict(facts).startswith("The forecast wins: its MAE is 50.0% below")
    assert name_forecasters(facts)["network_alone"] == "ensemble alone"


def test_coverage_ten_points_from_its_level_comes_with_a_repair():
    assert describe_wrong_coverage(summary_of(coverage={"80": 70.1, "95": 100.0})) == []
    assert describe_wrong_coverage(summary_of(coverage={"80": 12.5, "95": 84.0})) == [
        "80 % and 95 % intervals are too narrow: expect larger errors than they show, or increase split.validation and "
        "train again."
    ]
    few = summary_of(coverage={"50": 60.0, "95": 0.0}, separate=1, forecasts=3, intervals="head")
    assert describe_wrong_coverage(few) == [
        "95 % intervals may be too narrow, by too few forecasts to be sure (1 without overlap); a backtest of more shows it.",
        "50 % intervals may be too wide, by too few forecasts to be sure (1 without overlap); a backtest of more shows it.",
    ]
    (repair,) = describe_wrong_coverage(summary_of(coverage={"95": 0.0}, intervals="head"))
    assert repair.endswith("or set forecast.intervals: conformal and train again.")


def test_later_forecasts_repeat_what_the_training_found_against_the_network():
    assert describe_training(summary_of()) == []
    (loss,) = describe_training(summary_of(model=3.0))
    assert loss.endswith("do not prefer this network.")
    weights = {"y": [0.25, 0.0, 0.75]}
    fallback = {"forecasters": ["network", "naive", "zero-shot"], "weights": weights, "horizons": 4.321}
    sentences = describe_training(summary_of(fallback=fallback, coverage={"80": 12.5}))
    assert [sentence.split(":")[0] for sentence in sentences] == [
        "Forecasts are a weighted average",
        "80 % intervals are too narrow",
    ]
    of_an_older_fallback = summary_of(fallback={"baseline": "seasonal_naive", "weights": {"y": 0.25}})
    assert describe_fallback(of_an_older_fallback) == [
        "On the validation part the network did not beat the seasonal naive. Forecasts are a weighted average of both "
        "(network weight 0.25; forecast.fallback)."
    ]
    of_an_older_format = {"scores": SCORES, "series": 1, "coverage": {"80": 90.0}}
    assert describe_training(of_an_older_format)[0].startswith("80 % intervals are too wide: expect smaller")
    assert describe_training({"scores": {}}) == []


def test_the_fallback_is_described_by_the_share_of_each_forecaster_and_what_it_was_measured_on():
    fallback = {
        "forecasters": ["network", "naive", "zero-shot"],
        "weights": {"a": [0.25, 0.0, 0.75]},
        "horizons": 4.321,
    }
    assert describe_fallback(summary_of(fallback=fallback)) == [
        "Forecasts are a weighted average: zero-shot network 75%, network 25%, by errors in 4.3 horizons of validation "
        "(forecast.fallback)."
    ]
    assert describe_fallback(summary_of(fallback=fallback, series=4)) == [  # the network alone forecasts the others
        "Forecasts are a weighted average: network 81%, zero-shot network 19%, on average over 4 series, by errors in "
        "4.3 horizons of validation (forecast.fallback)."
    ]
    alone = {**fallback, "weights": {"a": [0.0, 1.0, 0.0]}}
    assert describe_fallback(summary_of(fallback=alone)) == [
        "Forecasts are those of the naive (last value) alone, by errors in 4.3 horizons of validation "
        "(forecast.fallback)."
    ]
    assert describe_fallback(summary_of()) == []


def test_what_a_refit_trained_is_the_network_even_where_the_fallback_averages_it():
    scores = {"model": {"mae": 1.0}, "network_alone": {"mae": 2.0}, "naive": {"mae": 3.0}}
    facts = summary_of(unscaled=0, scores=scores, refit={"used": True}, networks=4)
    assert format_error_table(facts).splitlines()[-1] == (
        "The 4 networks were then trained once more on all rows, for as many steps; the errors above are those before that."
    )
