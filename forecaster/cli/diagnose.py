"""`forecast diagnose`."""

from forecaster.cli import console
from forecaster.cli.options import (
    CsvOutput,
    Data,
    Member,
    Plot,
    Run,
    Style,
    StyleName,
    TrustConfig,
    check_picture,
    load_run,
)


def diagnose(
    run: Run,
    data: Data = None,
    output: CsvOutput = "-",
    plot: Plot = None,
    style: Style = StyleName.SCREEN,
    member: Member = 1,
    trust_config: TrustConfig = False,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Show how far back in time the gradients of a network reach.

    \b
    forecast diagnose runs/power --output gradients.csv --plot gradients.png
    """
    from forecaster.extras import import_extra, require_extra

    require_extra("train", "forecast diagnose")
    from forecaster.preprocessing.plan import restore_plan

    check_picture(plot)
    version = load_run(run, data, trust_config)
    plan = restore_plan(version, data)
    with import_extra("train", "forecast diagnose"), console.silence_imports():
        from forecaster.explain.diagnose import diagnose as diagnose_version
    diagnosis = diagnose_version(version, plan, member)
    console.log.info("%s", "\n".join(diagnosis.sentences))
    console.write_result(diagnosis.to_csv(), output)
    if plot is not None:
        from forecaster.explain.plots import plot_gradients
        from forecaster.wording import name_steps

        title = f"{run.resolve().name}: how far back the gradient reaches"
        unit = name_steps(plan.members[0].series.frequency)
        console.write_picture(plot_gradients(diagnosis.before, diagnosis.after, title, unit), plot)
