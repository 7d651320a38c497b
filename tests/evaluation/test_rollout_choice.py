"""The choice between carrying the state and sliding the window, with networks whose two rollouts are known."""

import dataclasses
import logging

import numpy as np
import pytest

from forecaster.config import load_values
from forecaster.evaluation.rollout_choice import choose_rollout
from tests.helpers.fake_network import Fake
from tests.helpers.last_value import LastValue, plan


class Trend(Fake):
    """Adds the last change of the window, of which a carried state keeps a share: 1, 2, 3 becomes 4, 4.5, 4.75."""

    def __init__(self, kept):
        self.kept, self.reads = kept, 0

    def read(self, windows):
        self.reads += 1
        return [windows[:, -1:] - windows[:, -2:-1]]

    def answer(self, states, previous):
        with np.errstate(over="ignore", invalid="ignore"):
            return previous + states[0], [states[0] * np.float32(self.kept)]


def choose(network, made=None, **forecast):
    made = made or plan()
    made = dataclasses.replace(
        made,
        config=made.config.model_copy(update={"forecast": made.config.forecast.model_copy(update=forecast)}),
    )
    return choose_rollout(made, [network]).forecast.rollout


def test_the_state_is_carried_where_that_is_as_accurate():
    assert choose(LastValue()) == "carry"
    assert choose(Trend(kept=1.0)) == "carry"


def test_the_window_slides_where_a_carried_state_is_less_accurate():
    # steps 1, 2, 3 ahead of 0, 1, 2, ... are missed by 0, 0.5 and 1.25
    assert choose(Trend(kept=0.5)) == "slide"


class Sinking(Fake):
    """Forecasts the last value, which a carried state lowers: the errors 1, 2, 3 become 1, 2 + loss, 3 + 2 loss."""

    def __init__(self, loss):
        self.loss = loss

    def read(self, windows):
        return [np.zeros_like(windows[:, -1:])]

    def answer(self, states, previous):
        return previous + states[0], [np.full_like(states[0], -self.loss)]


@pytest.mark.parametrize(("loss", "expected"), [(-0.1, "carry"), (0.01, "carry"), (0.05, "slide")])
def test_one_percent_of_accuracy_is_worth_less_than_the_time(loss, expected):
    assert choose(Sinking(loss)) == expected


def test_a_carried_state_that_grows_without_limit_is_not_chosen():
    assert choose(Trend(kept=1e38)) == "slide"


def test_a_stated_rollout_stays_and_nothing_is_measured():
    network = Trend(kept=0.5)
    assert choose(network, rollout="carry") == "carry"
    assert network.reads == 0


@pytest.mark.parametrize(
    ("model", "split", "expected"),
    [
        ({"decoder": "dense"}, {}, "auto"),
        ({"bidirectional": True}, {}, "slide"),
        ({}, {"validation": 0}, "slide"),
    ],
)
def test_without_a_choice_or_a_validation_part_nothing_is_measured(model, split, expected):
    network, made = Trend(kept=1.0), plan(**split)
    document = {"data": {"path": "x.csv"}, "window": {"length": 4, "horizon": 3}, "model": model}
    made = dataclasses.replace(made, config=load_values(document, "x").config)
    assert choose_rollout(made, [network]).forecast.rollout == expected
    assert network.reads == 0


def test_the_choice_is_reported_with_both_errors(caplog, monkeypatch):
    log = logging.getLogger("forecaster")
    monkeypatch.setattr(log, "propagate", False)
    monkeypatch.setattr(log, "handlers", [caplog.handler])
    with caplog.at_level(logging.INFO, "forecaster"):
        choose(LastValue())
    # 8 origins with errors of 1, 2 and 3, one with 1 and 2, one with 1: 52 / 27
    assert caplog.messages == [
        "forecast.rollout: carry; mean absolute errors in validation, scaled: carry 1.926, slide 1.926"
    ]
