"""The page of an exported run: inputs and outputs of its graphs, and what to do with them."""

from collections.abc import Iterable, Mapping

from forecaster.config.schema import Config
from forecaster.forecasting.onnx_network import Shape
from forecaster.forecasting.saved_networks import load_networks
from forecaster.preprocessing.calendar_features import list_feature_names
from forecaster.preprocessing.covariate_features import Encoding
from forecaster.preprocessing.saved_preprocessing import Preprocessing, load_preprocessing
from forecaster.runs import Version
from forecaster.wording import count_of, count_steps, list_some

# What an input or an output holds, by the beginning of its name.
MEANINGS = {
    "window": "the newest values, the oldest first, scaled: (transform(value) - offset) / scale, in model.json",
    "features": "features of each step of the window: covariates, calendar, mask",
    "categories": "the number of each category of the series, as model.json lists them",
    "state": "a state of the network",
    "previous": "the last scaled values: the end of the window, later the last forecast values",
    "future": "known features of the steps ahead; last the scaled zero-shot forecast, where the run starts from it",
    "noise": "standard normal noise of a sample path, or 0",
    "parameters": "the head's parameters of each step, scaled",
    "new_state": "the state after these steps, for the next call",
    "attention": "weights of the steps read",
}
# Of `decode`, by head.
HEADS = {
    "point": "the value",
    "quantile": "the quantiles of model.quantiles",
    "normal": "mean and standard deviation",
    "student_t": "location, scale and degrees of freedom",
    "log_normal": "mean and deviation of the logarithm",
    "negative_binomial": "mean and dispersion",
    "categorical": "logits of the bins, and their limits",
}
ROLLOUTS = {
    "direct": "call `decode` once; the first steps are the horizon",
    "carry": "call `decode` with its states and the values that it gave, until the horizon is full",
    "slide": "append the values of `decode` to the window, and encode its newest steps, until the horizon is full",
}


_FILES = {
    "onnx": ("encode.onnx", "decode.onnx"),
    "keras": ("encode.keras", "decode.keras"),
    "saved_model": ("signature encode", "signature decode"),
    "litert": ("encode.tflite", "decode.tflite"),
}
_LOADING = {
    "onnx": "onnxruntime.InferenceSession(path)",
    "keras": "keras.saving.load_model(path)",
    "saved_model": 'tensorflow.saved_model.load("saved_model").signatures["encode"]',
    "litert": "ai_edge_litert.interpreter.Interpreter(path)",
}


def list_columns(config: Config, preprocessing: Preprocessing) -> list[str]:
    """List the columns that networks read in addition to the values."""
    features, vocabulary = preprocessing.features, preprocessing.vocabulary
    names = [] if vocabulary is None else list(vocabulary.names[1:])
    if features is not None:
        names += [each.name for each in (*features.past, *features.future, *features.static)]
        names += [str(config.data.time)] if features.calendar else []
    return list(dict.fromkeys(names))


def list_features(preprocessing: Preprocessing) -> list[str]:
    """List the features of each step in their order, such as `promo`, `weather=rain` or `hour.sin`."""
    features = preprocessing.features
    if features is None:
        return []

    def name(encodings: Iterable[Encoding]) -> list[str]:
        return [
            each.name if level is None else f"{each.name}={level}"
            for each in encodings
            for level in (each.levels if each.levels is not None else (None,))
        ]

    names = [*name(features.past), *name(features.future), *list_feature_names(features.calendar, features.seasons)]
    names += [*name(features.static), *(f"series {each.name}" for each in features.scale)]
    return names + (["observed"] if features.mask else [])


def _describe_features(preprocessing: Preprocessing) -> str:
    """Describe the features of each step in their order, in a paragraph; empty where there are none."""
    names, past = list_features(preprocessing), preprocessing.feature_widths[0]
    if not names:
        return ""
    known = f"`future` holds those after the first {past:,}" if past else "`future` holds the same"
    return f"\nFeatures of a step, in order: {', '.join(f'`{name}`' for name in names)}; {known}.\n"


def _describe_values(config: Config, preprocessing: Preprocessing) -> str:
    """Describe the file that the example reads."""
    columns, features = list_columns(config, preprocessing), preprocessing.features
    blank = " A missing value is a blank cell." if config.data.gaps == "mask" else ""
    target = config.data.target if isinstance(config.data.target, str) else "the target"
    if not columns:
        return (
            f"`values.csv` holds the newest values, the oldest first, in the column `{target}` or the last one.{blank}"
        )
    named = list_some([f"`{name}`" for name in (*columns, target)], len(columns) + 1)
    is_ahead = features is not None and (features.future or features.calendar)
    ahead = f", and {count_of(config.window.horizon, 'row')} without a value for the steps ahead" if is_ahead else ""
    return f"`values.csv` has the columns {named}{ahead}.{blank}"


def render_readme(version: Version, format: str, obstacle: str = "") -> bytes:
    """Render the page of an export.

    Args:
        version: that is exported.
        format: of the export.
        obstacle: why there is no example in ONNX; empty where there is one.
    """
    config, preprocessing = version.config, load_preprocessing(version)
    network = load_networks(version, preprocessing)[0]
    sides = ((network.encode_inputs, network.states), (network.decode_inputs, network.outputs))
    rows = "\n".join(_list_rows(dict(zip(_FILES[format], sides, strict=True))))
    networks = (
        f"{len(version.members)} networks, in `members/`, whose values are combined by the {config.ensemble.combine}"
        if config.ensemble is not None and len(version.members) > 1
        else "one network"
    )
    ahead = count_steps(config.window.horizon, config.data.frequency)
    example = ""
    if format == "onnx":
        example = (
            f" There is no `example.py`: it does not compute {obstacle}."
            if obstacle
            else " `python example.py values.csv [SERIES]` prints the forecast of `forecast predict` before it is "
            "rounded; it needs `pip install numpy onnxruntime`, and no other package. "
            f"{_describe_values(config, preprocessing)}"
        )
    text = f"""# {version.path.parent.parent.name}, version {version.path.name}

Forecasts {ahead} ahead with {networks}: `{_LOADING[format]}`.{example}

| file | | name | type | shape | what it holds |
|---|---|---|---|---|---|
{rows}
{_describe_features(preprocessing)}
Head `{config.model.head}`: {HEADS[config.model.head]}. Rollout `{config.rollout}`: {ROLLOUTS[config.rollout]}.

`model.json` holds horizon, seasons, the encoding of each covariate, the bounds that values are clipped to, and for each
series its transform (`curve`), differences (`lags`), offset and scale, and the weight of each of `forecasters` in its
forecast: scaled values become `inverse(value * scale + offset)` of the transform, and the forecast is the weighted
average. Intervals are not exported.
"""
    return text.encode()


def _list_rows(graphs: Mapping[str, tuple[Mapping[str, Shape | None], ...]]) -> Iterable[str]:
    """List a row for each input and output of graphs."""
    for graph, sides in graphs.items():
        for side, shapes in zip(("input", "output"), sides, strict=True):
            for name, shape in shapes.items():
                kind = "int32" if name == "categories" else "float32"
                sizes = ", ".join(["batch", *map(str, shape or ())])
                yield f"| {graph} | {side} | `{name}` | {kind} | ({sizes}) | {find_meaning(name)} |"


def find_meaning(name: str) -> str:
    """Find what an input or an output holds."""
    return next(meaning for start, meaning in MEANINGS.items() if name.startswith(start))
