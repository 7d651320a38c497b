"""The trials of a search, in turn or several at a time, and the files that it writes."""

import contextlib
import csv
import functools
import hashlib
import io
import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from forecaster.atomic_files import convert_write_errors, write_atomically
from forecaster.config import is_config
from forecaster.config.reader import MAX_BYTES
from forecaster.engine import Engine
from forecaster.engine_workers import open_workers
from forecaster.errors import Diverged, Interrupted, Stop, UsageError
from forecaster.evaluation.validation_score import ValidationScore, build_validation_score
from forecaster.extras import configure_libraries, import_extra
from forecaster.problems import Problem
from forecaster.regular_files import read_regular_file
from forecaster.reporting.figures import render_figure
from forecaster.tuning.plan import TunePlan, format_tuned_yaml, silence_log
from forecaster.tuning.plots import plot_trials
from forecaster.tuning.search import Search, TrialResult
from forecaster.tuning.tables import format_importances, format_outcomes, format_trial_line, format_trial_table
from forecaster.tuning.trials import DIVERGED, RUNNING, Trial, TrialOutcome
from forecaster.workers import Ended

log = logging.getLogger("forecaster")


_POLL_SECONDS = 0.5


def search_config(
    plan: TunePlan,
    folder: Path,
    output: Path,
    total: int,
    seconds: float | None,
    received: Sequence[int],
    engine: Engine | None = None,
    processes: int | None = None,
) -> None:
    """Search until there are `total` trials or the time is over; write the best config and all trials.

    Args:
        folder: of the search; other than that, only `output` is written.
        received: signals received so far.
        engine, processes: as of `tune`.

    Raises:
        UsageError: `output` exists and is not of this search; or no trial completed.
        Diverged: no trial completed, and some diverged.
        Interrupted: a signal was received; the results so far are written.
    """
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    with contextlib.closing(Search(folder, plan.identity, plan.space, plan.own_values)) as search:
        _check_output(output, search)
        scoring = tune(plan, search, total, lambda: bool(received) or time.monotonic() > deadline, engine, processes)
        _write_results(plan, search, scoring, folder, output)
        rows = search.list_results()
    if received:
        raise Interrupted(Problem("interrupted-search", detail={"outcomes": format_outcomes(rows)}), received[0])
    if all(row.error is None for row in rows):
        kind = Diverged if any(row.state == DIVERGED for row in rows) else UsageError
        raise kind(Problem("no-finished-trial", detail={"outcomes": format_outcomes(rows)}))


def _check_output(output: Path, search: Search) -> None:
    """Check before hours of training that the config can be written after them."""
    if not is_config(output):
        raise UsageError(Problem("not-a-yaml-name", f"--output {output}"))
    with convert_write_errors(output):
        output.parent.stat()
    if output.exists() and not search.has_written(_hash_config(output)):
        raise UsageError(Problem("output-of-other-search", str(output)))


def _write_results(plan: TunePlan, search: Search, scoring: ValidationScore, folder: Path, output: Path) -> None:
    """Write the best config, and the trials as CSV and plot."""
    rows = search.list_results()
    write_atomically(folder / "trials.csv", _format_trials_csv(rows, plan.space))
    ended = [row for row in rows if row.error is not None]
    if not ended:
        return
    best = min(ended, key=lambda row: row.error or 0.0)
    with silence_log():
        config = plan.plan_trial(best.values).config
    text = format_tuned_yaml(config, output.parent, f"forecast train {output}").encode()
    search.register_output(_hash(text))
    write_atomically(output, text)
    own = next((row.number for row in ended if row.values == plan.own_values), None)
    name, error = min(scoring.baselines.items(), key=lambda item: item[1])
    title = f"{folder.resolve().parent.name}: {len(rows)} trials, best {best.error:.4g} in trial {best.number}"
    picture = render_figure(
        plot_trials({row.number: row.error for row in rows}, (name.replace("_", " "), error), own, title)
    )
    write_atomically(folder / "trials.png", picture)
    log.info("%s", format_trial_table(rows, plan.own_values, scoring.baselines))
    if importances := search.compute_importances():
        log.info("%s", format_importances(importances))
    log.info("%s: written; train it with: forecast train %s", output, output)


def _hash_config(path: Path) -> str:
    """Hash a config; empty where it is none by its size or kind."""
    try:
        return _hash(read_regular_file(path, MAX_BYTES))
    except OSError:
        return ""


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _format_trials_csv(rows: Sequence[TrialResult], keys: Iterable[str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", "error", "seconds", "epochs", *keys, "reason"])
    for row in rows:
        error = "" if row.error is None else row.error
        values = [json.dumps(row.values.get(key)) for key in keys]
        writer.writerow([row.number, row.state, error, round(row.seconds, 1), row.epochs, *values, row.reason])
    return text.getvalue().encode()


def tune(
    plan: TunePlan,
    search: Search,
    total: int,
    stop: Callable[[], bool],
    engine: Engine | None = None,
    processes: int | None = None,
) -> ValidationScore:
    """Run trials until there are `total`, nothing is untried, or `stop()`; requeue those that are interrupted.

    Args:
        engine: what trains them; None: this process, or others of this machine.
        processes: trials at a time; None: one, or all processors of a cluster.

    Returns:
        The scoring by which trials are compared.
    """
    scoring, engine = build_validation_score(plan.base), engine or Engine()
    trials = _Trials(plan, search, scoring, total, stop)
    if engine.kind == "processes" and (processes or 1) == 1:
        trials.run_in_turn()
    else:
        trials.run_in_workers(engine, processes)
    return scoring


@dataclass(frozen=True)
class _Trials:
    """The trials of a search that are run here; the arguments are those of `tune`."""

    plan: TunePlan
    search: Search
    scoring: ValidationScore
    total: int
    stop: Callable[[], bool]

    def run_in_turn(self) -> None:
        """Run one trial after the other in this process."""
        from forecaster.tuning.run_trial import run_trial  # noqa: PLC0415  TensorFlow, which only this process needs

        while not self.stop() and (trial := self.search.start_trial(self.total)) is not None:
            try:
                self._record(trial, run_trial(self.plan, self.scoring, trial, self.stop))
            except BaseException:
                self.search.requeue(trial)
                raise

    def run_in_workers(self, engine: Engine, processes: int | None) -> None:
        """Run several trials at a time; each starts once those that it learns from have ended."""
        work = functools.partial(_run_in_worker, self.plan, self.scoring)
        error: Stop | None = None
        running: dict[int, Trial] = {}
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: [self.search.requeue(trial) for trial in running.values()])
            workers = stack.enter_context(open_workers(engine, work, processes, shared=self.search.folder, grace=None))
            is_over = False  # nothing is left to start, unless a trial that is at work is queued again
            while True:
                if is_stopping := self.stop() or error is not None:
                    workers.stop()
                while not (is_stopping or is_over or workers.is_full):
                    if self.search.must_wait(workers.count, running.values()):
                        break
                    if (trial := self.search.start_trial(self.total, workers.count)) is None:
                        is_over = True
                        break
                    running[trial.number] = trial
                    workers.start(trial)
                if not running:
                    break
                event = workers.wait(_POLL_SECONDS)
                if isinstance(event, Ended):
                    is_over, trial = False, running.pop(event.task.number)
                    error = self._end(trial, event) or error
        if error is not None:
            raise error

    def _end(self, trial: Trial, ended: Ended) -> Stop | None:
        """Record how the process of a trial ended it; return an error that ends the search."""
        if ended.how == "done":
            self._record(trial, ended.result)
            return None
        is_killed = ended.how in {"crashed", "memory"}
        again = self.search.requeue(trial, died=is_killed)
        if is_killed:
            log.warning("%s", Problem("killed-trial", detail={"number": trial.number, "again": again}))
        return ended.error if ended.how == "failed" else None

    def _record(self, trial: Trial, outcome: TrialOutcome) -> None:
        self.search.record(trial, outcome)
        if outcome.state is not None:
            rows = [row for row in self.search.list_results() if row.state != RUNNING]
            row = next(row for row in rows if row.number == trial.number)
            log.info("%s", format_trial_line(row, rows, self.total))


def _run_in_worker(
    plan: TunePlan,
    scoring: ValidationScore,
    trial: Trial,
    received: Sequence[int],
    report: Callable[[object], None],
) -> TrialOutcome:
    with import_extra("tune", "forecast tune"):
        configure_libraries()
        from forecaster.tuning.run_trial import run_trial  # noqa: PLC0415  TensorFlow, which only workers need
    return run_trial(plan, scoring, trial, lambda: bool(received))
