"""Tables on jobs: what they would do, and what became of them."""

from collections.abc import Iterator, Sequence

from forecaster.jobs.plan import JobPlan
from forecaster.jobs.run_jobs import JobResult
from forecaster.reporting.tables import format_table


def format_plans(plans: Sequence[JobPlan]) -> str:
    """Format what jobs would do: a row for each step, with its reason."""
    rows = [row for plan in plans for row in _list_steps(plan)]
    return format_table([("job", "would", "because"), *rows], left=range(3)) + "\n"


def _list_steps(plan: JobPlan) -> Iterator[tuple[str, str, str]]:
    if plan.error is not None:
        yield plan.job.name, "fail", f"exit {plan.error.exit_code}: {plan.error.problems[0]}"
    elif not plan.steps:
        yield plan.job.name, "do nothing", plan.reason
    for number, step in enumerate(plan.steps):
        yield "" if number else plan.job.name, step.name, step.reason


def format_results(results: Sequence[JobResult]) -> str:
    """Format what became of jobs: a row for each; errors are MASE, of recent forecasts and in the training's test."""
    head = ("job", "outcome", "seconds", "newest data", "error", "in test", "because")
    return format_table([head, *map(_format_result, results)], left=(0, 1, 6)) + "\n"


def _format_result(result: JobResult) -> tuple[str, ...]:
    state = result.after
    if not result.is_finished:
        return result.job.name, "not finished", "", "", "", "", ""
    outcome = {"done": "done", "nothing-new": "nothing new"}.get(state.outcome or "", f"exit {state.exit_code}")
    errors = ("" if error is None else f"{error:.3g}" for error in (state.error_now, state.error_then))
    seconds = "" if state.seconds is None else f"{state.seconds:.1f}"
    return result.job.name, outcome, seconds, state.newest or "", *errors, state.reason.partition("\n")[0]
