"""`forecast future`."""

from forecaster.cli import console
from forecaster.cli.options import Data, Horizon, Output, Run


def future(
    run: Run,
    data: Data = None,
    horizon: Horizon = None,
    output: Output = "-",
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Write the CSV to fill with what is known of the future.

    It has a row for each step after the newest data, and a column for each future covariate, filled as far as the
    data go. `forecast predict --future` reads it back.

    \b
    forecast future runs/shops --output future.csv
    """
    from forecaster.errors import Partial
    from forecaster.forecasting.future_covariates import template
    from forecaster.forecasting.predict import read_newest
    from forecaster.runs import load_version

    config = load_version(run).config
    panel, problems = read_newest(config, data)
    console.deliver(template(config, panel, horizon or config.window.horizon), output)
    if problems:
        raise Partial(problems)
