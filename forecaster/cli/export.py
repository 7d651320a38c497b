"""`forecast export`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import Run, UseVersion
from forecaster.problems import Problem


class Target(StrEnum):
    """The format of the exported model."""

    ONNX = "onnx"
    KERAS = "keras"
    SAVED_MODEL = "saved_model"
    LITERT = "litert"


def export(
    run: Run,
    to: Annotated[Target, typer.Option("--to", help="Format of the model.")] = Target.ONNX,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder, new or empty; NAME-FORMAT by default.", show_default=False),
    ] = None,
    version: UseVersion = None,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Export the networks of a run for programs without this package.

    onnx: graphs, a page on their inputs and outputs, and an example that needs NumPy and ONNX Runtime alone.
    keras, saved_model, litert: the same networks for Keras, TensorFlow Serving and LiteRT (the extra train).

    \b
    forecast export runs/power --to onnx --output power-onnx
    """
    from forecaster.portable.onnx_files import export_onnx
    from forecaster.runs import load_version

    loaded = load_version(run, version)
    folder = output or Path(f"{run.resolve().name}-{to}")
    if to is Target.ONNX:
        if obstacle := export_onnx(loaded, folder):
            console.log.warning("%s", Problem("export-without-example", str(folder), detail={"part": obstacle}))
    else:
        from forecaster.extras import import_extra

        with import_extra("train", f"forecast export --to {to}"), console.silence_imports():
            from forecaster.portable.tensorflow_files import EXPORTS
        with console.silence_imports():  # the libraries print what they write
            EXPORTS[to](loaded, folder)
    console.log.info("%s: exported", folder)
