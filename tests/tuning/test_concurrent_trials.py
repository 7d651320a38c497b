"""Several trials of `forecast tune` at a time: what is drawn does not depend on which of them ends first."""

import contextlib
import random
import types
from pathlib import Path

import optuna
import pytest

from forecaster.config import Choices, Range
from forecaster.engine import Engine
from forecaster.errors import Diverged
from forecaster.problems import Problem
from forecaster.tuning import search as search_module
from forecaster.tuning import tune
from forecaster.tuning.search import Search
from forecaster.tuning.trials import DONE, IMPOSSIBLE, STOPPED, Trial, TrialOutcome
from forecaster.workers import Ended
from tests.helpers.logs import keep_log

SPACE = {"a": Range(0.001, 1.0, log=True), "b": Range(1, 1000, whole=True)}
OWN = {"a": 0.5, "b": 2000}


class Memory(optuna.storages.InMemoryStorage):
    """A storage without the time that SQLite takes to write each value."""

    engine = types.SimpleNamespace(dispose=lambda: None)


@pytest.fixture(autouse=True)
def storages(monkeypatch):
    kept: dict[str, Memory] = {}
    monkeypatch.setattr(search_module, "RDBStorage", lambda url, **options: kept.setdefault(url, Memory()))


def identity(**changed) -> dict:
    return {"config": {"training": {"seed": 0, "epochs": 10}}, "tune": "", **changed}


def score(trial: Trial) -> TrialOutcome:
    """A trial whose error is that of its values, with errors by epoch that fall to it, and as many stops as are due."""
    error, errors = trial.values["a"] + trial.values["b"] / 1000, {}
    for epoch in (1, 2, 3):
        errors[epoch] = error + (3 - epoch) / 10
        if trial.should_stop(errors):
            return TrialOutcome(STOPPED, None, epoch, errors)
    return TrialOutcome(DONE, error, 3, errors)


class FakeWorkers:
    """Workers whose tasks end in an order of `generator`, as `end` has it."""

    def __init__(self, count: int, generator: random.Random, end) -> None:
        self.count, self.tasks, self._generator, self._end = count, [], generator, end
        self.stopped, self.most = False, 0

    @property
    def is_full(self) -> bool:
        return len(self.tasks) >= self.count

    def start(self, trial: Trial) -> None:
        self.tasks.append(trial)
        self.most = max(self.most, len(self.tasks))

    def stop(self) -> None:
        self.stopped = True

    def wait(self, seconds: float) -> Ended:
        trial = self.tasks.pop(self._generator.randrange(len(self.tasks)))
        return Ended(trial, "done", TrialOutcome(None)) if self.stopped else self._end(trial)


def end_as_scored(trial: Trial) -> Ended:
    return Ended(trial, "done", score(trial))


def run(folder: Path, total: int, count: int, order: int = 0, end=end_as_scored, stop=lambda: False):
    """Run a search, and return the values of its trials in the order of their places, their states and the workers."""
    workers = FakeWorkers(count, random.Random(order), end)
    search = Search(folder, identity(), SPACE, OWN)
    with contextlib.closing(search), pytest.MonkeyPatch.context() as patch:
        patch.setattr(tune, "open_workers", lambda *arguments, **options: contextlib.nullcontext(workers))
        tune._Trials(None, search, None, total, stop).run_in_workers(Engine(), count)
        places = search._list_places()
        rows = sorted(search.list_results(), key=lambda row: places[row.number])
        return [(row.values, row.state, row.error) for row in rows], workers


def test_trials_do_not_depend_on_the_order_in_which_they_end(tmp_path):
    found = [run(tmp_path / str(order), 20, 3, order) for order in range(2)]
    assert found[0][0] == found[1][0]
    assert {state for _, state, _ in found[0][0]} == {DONE, STOPPED}
    assert [workers.most for _, workers in found] == [3, 3]


def test_one_trial_at_a_time_is_the_search_in_turn(tmp_path):
    search, expected = Search(tmp_path / "turn", identity(), SPACE, OWN), []
    with contextlib.closing(search):
        while (trial := search.start_trial(16)) is not None:
            search.record(trial, score(trial))
            expected.append(trial.values)
    assert [values for values, *_ in run(tmp_path / "workers", 16, 1)[0]] == expected


def test_what_does_not_learn_from_other_trials_is_drawn_as_in_turn(tmp_path):
    one, several = run(tmp_path / "one", 10, 1)[0], run(tmp_path / "several", 10, 4)[0]  # TPE begins with 10 at random
    assert [values for values, *_ in one] == [values for values, *_ in several]


@pytest.mark.parametrize("order", [0, 1])
def test_an_interrupted_search_continues_as_if_it_had_not_been(tmp_path, order):
    whole, _ = run(tmp_path / "whole", 16, 3)
    ended = []

    def count(trial):
        ended.append(trial)
        return end_as_scored(trial)

    run(tmp_path / "two", 16, 3, order, count, lambda: len(ended) >= 7)
    assert len(ended) == 7
    assert run(tmp_path / "two", 16, 3, 2)[0] == whole


def test_a_trial_whose_process_is_killed_is_run_again_once(tmp_path):
    killed = []

    def end(trial):
        if trial.place == 2 or (trial.place == 4 and 4 not in killed):
            killed.append(trial.place)
            return Ended(trial, "crashed", returncode=-9)
        return end_as_scored(trial)

    with keep_log() as records:
        found, _ = run(tmp_path / "one", 8, 2, 0, end)
    assert sorted(killed) == [2, 2, 4]
    assert len(found) == 8
    messages = [record.args[0] for record in records if record.args and isinstance(record.args[0], Problem)]
    assert [(each.code, each.detail["again"]) for each in messages].count(("killed-trial", False)) == 1


def test_an_error_of_one_trial_ends_the_search_and_keeps_the_others(tmp_path):
    def end(trial):
        if trial.place == 3:
            return Ended(trial, "failed", error=Diverged(Problem("diverged-refit")))
        return end_as_scored(trial)

    with pytest.raises(Diverged):
        run(tmp_path / "one", 8, 2, 0, end)
    search = Search(tmp_path / "one", identity(), SPACE, OWN)
    with contextlib.closing(search):
        assert {row.state for row in search.list_results()} == {DONE}
        assert search.start_trial(8).place <= 3


def test_a_small_space_is_exhausted(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "SPACE", {"a": Choices(("0.1", "0.2")), "b": Choices(("1", "2", "3"))})
    found, _ = run(tmp_path / "one", 50, 4)
    assert len({tuple(values.items()) for values, *_ in found}) == len(found) == 6


def test_an_impossible_trial_counts(tmp_path):
    found, _ = run(tmp_path / "one", 4, 2, 0, lambda trial: Ended(trial, "done", TrialOutcome(IMPOSSIBLE, reason="x")))
    assert [state for _, state, _ in found] == [IMPOSSIBLE] * 4


def test_a_trial_stops_above_the_median_of_earlier_ones():
    trial = Trial(0, {}, 0, {2: 1.0})
    assert not trial.should_stop({1: 9.0})
    assert trial.should_stop({1: 9.0, 2: 1.5})
    assert not trial.should_stop({1: 0.9, 2: 1.5})  # its best so far counts
