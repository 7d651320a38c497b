"""`forecast future`."""

from forecaster.cli import console
from forecaster.cli.options import (
    CsvOutput,
    Data,
    Horizon,
    Run,
    TrustConfig,
    load_run,
)


def future(
    run: Run,
    data: Data = None,
    horizon: Horizon = None,
    output: CsvOutput = "-",
    trust_config: TrustConfig = False,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Write a CSV to fill in with future covariates.

    It has one row per step after the newest data and one column per future covariate, filled in where the data
    already have values. `forecast predict --future` reads it.

    \b
    forecast future runs/shops --output future.csv
    """
    from forecaster.errors import Partial
    from forecaster.forecasting.future_covariates import write_template
    from forecaster.forecasting.predict import read_newest

    config = load_run(run, data, trust_config).config
    panel, problems = read_newest(config, data)
    console.write_result(write_template(config, panel, horizon or config.window.horizon), output)
    if problems:
        raise Partial(problems)
