"""`forecast evaluate`."""

from forecaster.cli import console
from forecaster.cli.options import (
    Baselines,
    Data,
    Output,
    Plot,
    ReportFormat,
    ReportInFile,
    Run,
    Stride,
    Style,
    StyleName,
    TrustConfig,
    UseVersion,
    check_picture,
    choose_format,
    load_run,
    parse_names,
)
from forecaster.errors import Partial


def evaluate(
    run: Run,
    data: Data = None,
    stride: Stride = None,
    baselines: Baselines = None,
    output: Output = "-",
    format: ReportInFile = None,
    plot: Plot = None,
    style: Style = StyleName.SCREEN,
    version: UseVersion = None,
    trust_config: TrustConfig = False,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Score a run on data newer than its training data, and compare with baselines.

    TensorFlow is not loaded.

    \b
    forecast evaluate runs/power --data actuals.csv
    """
    from forecaster.evaluation.evaluate import evaluate as evaluate_version

    check_picture(plot)
    format = choose_format(format, output, ReportFormat.TEXT)
    notices = console.keep_notices(format)
    found = evaluate_version(load_run(run, data, trust_config, version), data, stride, parse_names(baselines))
    compared = found.comparison
    if format is ReportFormat.JSON:
        text = console.format_json(compared.summary, notices, found.problems)
    else:
        text = compared.to_text()
    console.write_result(text, output)
    if plot is not None:
        from forecaster.evaluation.plots import plot_comparison
        from forecaster.wording import name_steps

        title, unit = f"{run.resolve().name}: error by step ahead", name_steps(compared.origins.panel.frequency)
        console.write_picture(plot_comparison(compared.tabulate_by_step(), compared.summary, title, unit), plot)
    if found.problems:
        raise Partial(found.problems)
