"""`forecast explain`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from forecaster.cli import console
from forecaster.cli.options import (
    Data,
    Member,
    Plot,
    RunOrData,
    Style,
    StyleName,
    TrustConfig,
    check_csv,
    check_picture,
    is_data,
    load_run,
)
from forecaster.errors import Partial, UsageError
from forecaster.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecaster.runs import Version


class Shown(StrEnum):
    """What is shown of a forecast or a network."""

    CONTRIBUTIONS = "contributions"
    IMPORTANCE = "importance"
    ATTENTION = "attention"
    SIMILAR = "similar"


class _Result(NamedTuple):
    """What one kind of explanation is printed, written and drawn as.

    Attributes:
        text: what stdout shows; None where that is the CSV.
        csv: all numbers.
        draw: makes the picture; None where there is none.
        problems: why some series have no explanation.
    """

    text: str | None
    csv: str
    draw: "Callable[[], Any] | None" = None
    problems: tuple[Problem, ...] = ()


def explain(
    source: RunOrData,
    show: Annotated[Shown, typer.Option("--show", help="What to show.")] = Shown.CONTRIBUTIONS,
    data: Data = None,
    future: Annotated[
        Path | None,
        typer.Option("--future", help="CSV with known values of future covariates.", show_default=False),
    ] = None,
    series: Annotated[
        list[str] | None,
        typer.Option("--series", help="Series to explain; repeatable. The first 100 by default.", show_default=False),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", help="Write a CSV to this file, - for stdout.", show_default=False, callback=check_csv
        ),
    ] = None,
    plot: Plot = None,
    style: Style = StyleName.SCREEN,
    member: Member = 1,
    trust_config: TrustConfig = False,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Show what a forecast is made of, or what a network reads most.

    contributions: what level, season, parts of the window and covariates add to a baseline; of a run or a file.
    importance: how much the error in validation grows where an input is permuted.
    attention: the weights over past steps, of networks with attention.
    similar: the nearest series, of networks with an embedding.

    \b
    forecast explain runs/power --output contributions.csv --plot contributions.png
    """
    check_picture(plot)
    if is_data(source):
        options = {"--data": data, "--future": future, "--trust-config": trust_config}
        given = [option for option, value in options.items() if value]
        _refuse_run_options(source, given + (["--show"] if show is not Shown.CONTRIBUTIONS else []))
        found = _explain_data(source, series or [])
    else:
        version = load_run(source, data, trust_config)
        match show:
            case Shown.CONTRIBUTIONS:
                found = _explain_run(version, data, future, series or [], source.resolve().name)
            case Shown.IMPORTANCE:
                found = _measure_importance(version, data, source.resolve().name)
            case Shown.ATTENTION:
                found = _measure_attention(version, data, member, source.resolve().name)
            case Shown.SIMILAR:
                found = _find_similar(version, member)
    if plot is not None and found.draw is None:
        raise UsageError(Problem("nothing-to-draw", f"--plot {plot}", detail={"show": str(show)}))
    console.write_result(found.csv if output or found.text is None else found.text, output or "-")
    if plot is not None and found.draw is not None:
        console.write_picture(found.draw(), plot)
    if found.problems:
        raise Partial(list(found.problems))


def _refuse_run_options(source: Path, given: list[str]) -> None:
    """Refuse options that only a trained network has.

    Raises:
        UsageError: one is given.
    """
    detail = {"source": str(source), "command": f"forecast train {source}"}
    if given:
        raise UsageError([Problem("option-of-a-run", option, detail=detail) for option in given])


def _explain_data(source: Path, names: list[str]) -> _Result:
    from forecaster.config import is_config
    from forecaster.data.sources.files import name_source
    from forecaster.explain.explain_forecasts import explain_data
    from forecaster.forecasting.zero_shot import load_data_config

    config = load_data_config(source).config
    horizon = config.window.horizon if is_config(source) else None
    return _format(*explain_data(config, horizon, names), name_source(source).rpartition("/")[2])


def _explain_run(version: "Version", data: Path | None, future: Path | None, names: list[str], title: str) -> _Result:
    from forecaster.explain.explain_forecasts import explain_run

    return _format(*explain_run(version, data, future, names), title)


def _format(found: Any, problems: list[Problem], title: str) -> _Result:
    from forecaster.explain.contributions import format_contributions, format_contributions_csv

    def draw() -> Any:
        from forecaster.explain.plots import plot_contributions

        return plot_contributions(found, title)

    return _Result(format_contributions(found), format_contributions_csv(found), draw, tuple(problems))


def _measure_importance(version: "Version", data: Path | None, title: str) -> _Result:
    from forecaster.explain.importance import format_importance_csv, measure_importance

    found = measure_importance(version, data)

    def draw() -> Any:
        from forecaster.explain.plots import plot_importance

        return plot_importance(found, title)

    return _Result(found.format(), format_importance_csv(found), draw)


def _measure_attention(version: "Version", data: Path | None, member: int, title: str) -> _Result:
    from forecaster.explain.attention import measure_attention
    from forecaster.explain.attention_weights import format_attention_csv

    attentions, problems = measure_attention(version, data, member)

    def draw() -> Any:
        from forecaster.explain.plots import plot_attention

        return plot_attention(attentions, title)

    return _Result(None, format_attention_csv(attentions), draw, tuple(problems))


def _find_similar(version: "Version", member: int) -> _Result:
    from forecaster.explain.similar_series import find_similar_series

    return _Result(None, find_similar_series(version, member).to_csv(index=False, lineterminator="\n"))
