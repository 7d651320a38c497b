"""A training for TensorBoard: its curves, scores and config as event files, which TensorFlow writes."""

from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework.summary_pb2 import DATA_CLASS_SCALAR, DATA_CLASS_TENSOR, SummaryMetadata

from forecaster.atomic_files import convert_write_errors
from forecaster.runs import Version
from forecaster.tracking.training_record import TrainingRecord

FOLDER = "tensorboard"


def track(version: Version, folder: Path = Path(FOLDER)) -> str:
    """Write the events of a version into `RUN/VERSION` of a folder.

    Returns:
        How they are looked at.

    Raises:
        RunError: a file of the version is damaged.
        CannotCreate, InputOutputFailed: the folder cannot be written.
    """
    record = TrainingRecord.from_version(version)
    place = folder / record.run / record.version
    with convert_write_errors(place):
        place.mkdir(parents=True, exist_ok=True)
    writer = tf.summary.create_file_writer(str(place))
    with writer.as_default():
        for name, curve in record.curves.items():
            for epoch, value in curve:
                _write(name, "scalars", tf.constant(value, tf.float32), epoch)
        for name, value in record.scores.items():
            _write(f"test/{name}", "scalars", tf.constant(value, tf.float32), 0)
        rows = [f"| {key} | {value} |" for key, value in record.parameters.items()]
        _write("config", "text", tf.constant("\n".join(["| key | value |", "|---|---|", *rows])), 0)
    writer.close()
    return f"{place}: events; tensorboard --logdir {folder}"


def _write(name: str, plugin: str, value: tf.Tensor, step: int) -> None:
    """Write a value as `tf.summary.scalar` and `text` do, which need the package tensorboard."""
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin))
    metadata.data_class = DATA_CLASS_SCALAR if plugin == "scalars" else DATA_CLASS_TENSOR
    tf.summary.write(name, value, step=step, metadata=metadata)
