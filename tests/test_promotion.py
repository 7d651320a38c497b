"""Which version of a run is in use: promotion, rollback, pins, and what is left where a process is killed in between."""

import datetime
import json
import shutil
from pathlib import Path

import pytest

from forecaster import runs
from forecaster.errors import RunError, UsageError
from forecaster.runs import promotion
from tests.test_runs import FILES


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


def write(run: Path, promote: bool = True, challenge: dict | None = None) -> str:
    """Write a version, with the record of its challenge where there is one, and promote it."""
    files = FILES | ({"challenge.json": json.dumps(challenge).encode()} if challenge else {})
    with runs.lock_run(run):
        name = runs.write_version(run, files, {}).path.name
        if promote:
            runs.promote(run, name, "train")
    return name


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


def in_use(run: Path) -> str:
    return runs.load_version(run).path.name


def test_names_of_versions_rise_within_a_second_and_after_a_clock_was_set_back(run, monkeypatch):
    names = [write(run) for _ in range(3)]
    assert names == sorted(set(names)) == runs.list_versions(run)
    later = runs.read_version_time(names[-1]).replace(hour=0) + (datetime.timedelta(hours=23, days=0))
    (run / "versions" / f"{later:%Y%m%dT%H%M%SZ}-abcdef").mkdir()
    assert write(run) > f"{later:%Y%m%dT%H%M%SZ}"


@pytest.mark.parametrize("name", ["99991231T235959Z-abcdef", "20991231T235959Z-abcdef", "mine", "20261399T000000Z-a"])
def test_a_name_from_another_clock_or_program_changes_no_time(run, name):
    (run / "versions" / name).mkdir(parents=True)
    now = datetime.datetime.now(datetime.UTC)
    assert abs((runs.read_version_time(write(run)) - now).total_seconds()) < 60


def test_each_promotion_is_recorded_with_what_it_replaced(run):
    first, second = write(run), write(run)
    runs.promote(run, first)
    runs.promote(run, first)  # changes nothing
    found = [(each.version, each.replaced, each.by) for each in runs.read_promotions(run)]
    assert found == [(first, None, "train"), (second, first, "train"), (first, second, "promote")]
    assert in_use(run) == first


def test_a_rollback_undoes_one_promotion_after_the_other(run):
    names = [write(run) for _ in range(3)]
    found = []
    with runs.lock_run(run):
        for _ in range(2):
            runs.roll_back(run)
            found.append(in_use(run))
        with pytest.raises(RunError, match="no earlier version is left to go back to; list them with: forecast runs"):
            runs.roll_back(run)
    assert found == [names[1], names[0]]
    newest = write(run)
    with runs.lock_run(run):
        assert (in_use(run), runs.roll_back(run)) == (newest, names[0])


def test_a_rollback_skips_versions_that_were_never_in_use_or_are_gone(run):
    first = write(run)
    write(run, promote=False)
    gone = write(run)
    write(run)
    shutil.rmtree(run / "versions" / gone)
    with runs.lock_run(run):
        assert runs.roll_back(run) == first


def test_a_rollback_without_a_record_goes_to_the_next_older_version(run):
    names = [write(run) for _ in range(3)]
    (run / "promotions.jsonl").unlink()
    with runs.lock_run(run):
        assert [runs.roll_back(run), runs.roll_back(run)] == [names[1], names[0]]


def test_a_damaged_version_is_not_rolled_back_to(run):
    first, second = write(run), write(run)
    (run / "versions" / first / "encode.onnx").write_bytes(b"x")
    with runs.lock_run(run), pytest.raises(RunError, match="SHA-256 differs"):
        runs.roll_back(run)
    assert in_use(run) == second


RECORDS = [
    b"",
    b"\n\n",
    b"{}\n",
    b"[1]\n",
    b'"x"\n',
    b"\xff\xfe\n",
    b"[" * 100_000,
    b'{"version": 1, "replaced": 2, "at": 3, "by": 4}\n',
]


@pytest.mark.parametrize("record", RECORDS, ids=range(len(RECORDS)))
def test_a_damaged_record_stops_nothing(run, record):
    first, second = write(run), write(run)
    (run / "promotions.jsonl").write_bytes(record)
    assert runs.read_promotions(run) == []
    with runs.lock_run(run):
        assert runs.roll_back(run) == first
        runs.promote(run, second)
    assert [each.version for each in runs.read_promotions(run)] == [first, second]


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def kill_at(monkeypatch):
    """A function after which the n-th file is not written any more."""
    real, count = promotion.write_atomically, []

    def prepare(number):
        count.clear()

        def write_or_die(path, content, follow=True):
            count.append(path)
            if len(count) == number:
                raise Killed
            real(path, content, follow)

        monkeypatch.setattr(promotion, "write_atomically", write_or_die)

    return prepare


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("change", ["promote", "rollback"])
def test_killed_anywhere_the_old_version_is_in_use_and_the_next_change_works(run, kill_at, number, change):
    names = [write(run) for _ in range(3)]
    before = runs.read_promotions(run)
    kill_at(number)
    with pytest.raises(Killed), runs.lock_run(run):
        runs.roll_back(run) if change == "rollback" else runs.promote(run, names[0])
    assert in_use(run) == names[2]
    assert runs.read_promotions(run) == before
    kill_at(0)
    with runs.lock_run(run):
        assert runs.roll_back(run) == names[1]
    assert [each.version for each in runs.read_promotions(run)] == [*names, names[1]]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_pin_that_was_killed_is_whole_after_the_next(run, kill_at, number):
    first, second = write(run), write(run)
    kill_at(number)
    with pytest.raises(Killed), runs.lock_run(run):
        runs.pin(run, first)
    assert in_use(run) == (second if number < 3 else first)
    assert runs.read_pin(run) is None
    kill_at(0)
    with runs.lock_run(run):
        runs.pin(run, first)
    assert (in_use(run), runs.read_pin(run)) == (first, first)


def test_a_pin_holds_the_version_until_it_is_removed(run):
    first, _ = write(run), write(run)
    with runs.lock_run(run):
        runs.pin(run, first)
        with pytest.raises(UsageError, match=f"pinned to {first}; remove the pin with: forecast pin .* --remove"):
            runs.roll_back(run)
        runs.remove_pin(run)
        runs.remove_pin(run)
    runs.check_pin(run)
    assert runs.read_pin(run) is None


def decided(promote=True, champion=None):
    return {"promote": promote, "champion": champion, "outcome": "not-worse"}


def test_a_training_killed_before_it_promoted_is_completed(run):
    first = write(run, promote=False, challenge=decided())
    with pytest.raises(RunError, match="no finished training"):
        in_use(run)
    assert (runs.complete_promotion(run), in_use(run)) == (first, first)
    second = write(run, promote=False, challenge=decided(champion=first))
    assert (runs.complete_promotion(run), in_use(run)) == (second, second)
    assert runs.complete_promotion(run) is None


def test_only_what_its_training_decided_is_completed(run):
    first = write(run, challenge=decided())
    write(run, promote=False, challenge=decided(promote=False, champion=first))
    assert runs.complete_promotion(run) is None  # it lost
    write(run, promote=False, challenge=decided(champion="another"))
    assert runs.complete_promotion(run) is None  # it was compared with a version that is not in use
    write(run, promote=False)
    assert runs.complete_promotion(run) is None  # by an earlier version of forecast
    second = write(run, promote=False, challenge=decided(champion=first))
    with runs.lock_run(run):
        runs.pin(run, first)
        assert runs.complete_promotion(run) is None
        runs.remove_pin(run)
        assert runs.complete_promotion(run) == second
        runs.roll_back(run)
        assert runs.complete_promotion(run) is None  # a rollback is not undone


def test_a_damaged_new_version_is_not_promoted(run):
    first = write(run)
    second = write(run, promote=False, challenge=decided(champion=first))
    (run / "versions" / second / "decode.onnx").unlink()
    assert (runs.complete_promotion(run), in_use(run)) == (None, first)


def test_a_version_is_found_by_the_beginning_of_its_name(run):
    first, second = write(run), write(run)
    assert runs.load_version(run, first).path.name == first
    assert runs.load_version(run, second[:-1]).path.name == second
    with pytest.raises(UsageError, match=f"several versions of .* begin with '{first[:8]}': {first}, {second}; write"):
        runs.load_version(run, first[:8])
    with pytest.raises(UsageError, match=f"has no version {first[:-1]}x, did you mean '{first}'.; it has {second}, "):
        runs.load_version(run, first[:-1] + "x")
    for text in ("", "../versions", "/", "x\0"):
        with pytest.raises(UsageError, match="has no version"):
            runs.load_version(run, text)


def test_a_version_of_a_folder_that_is_no_run_is_reported_as_that(tmp_path):
    with pytest.raises(RunError, match="the run does not exist"):
        runs.load_version(tmp_path / "none", "2026")


def test_a_reader_that_meets_a_promotion_reads_the_new_version(run, monkeypatch):
    """The old version is removed between the moments that its name and its files are read."""
    first, second = write(run), write(run, promote=False)
    versions, real = runs.versions, runs.load_version_at

    def load_after_promotion(path):
        if path.name == first:
            runs.promote(run, second)
            shutil.rmtree(path)
        return real(path)

    monkeypatch.setattr(versions, "load_version_at", load_after_promotion)
    assert in_use(run) == second


def test_the_verbs(forecast, run):
    first, second = write(run), write(run)
    assert forecast("rollback", run).returncode == 0
    assert in_use(run) == first
    result = forecast("promote", run, second[:-2], "-v")
    assert (result.returncode, result.stderr) == (0, f"{run}: {second} is in use\n")
    assert forecast("pin", run, first).returncode == 0
    for arguments in (["promote", run, second], ["rollback", run]):
        result = forecast(*arguments)
        assert (result.returncode, "remove the pin" in result.stderr) == (2, True)
    assert forecast("pin", run, "--remove", second).returncode == 2
    assert forecast("pin", run, "--remove").returncode == 0
    assert forecast("promote", run, second).returncode == 0
    assert forecast("promote", run, "1999").returncode == 2
    (run / "versions" / first / "encode.onnx").write_bytes(b"x")
    assert [forecast("promote", run, first).returncode, in_use(run)] == [6, second]
    with runs.lock_run(run):
        assert forecast("rollback", run).returncode == 75


@pytest.mark.parametrize("arguments", [["promote", "none", "2026"], ["rollback", "none"], ["pin", "none"]])
def test_the_verbs_make_no_folder(forecast, tmp_path, arguments):
    result = forecast(*arguments, cwd=tmp_path)
    assert (result.returncode, list(tmp_path.iterdir())) == (6, [])
