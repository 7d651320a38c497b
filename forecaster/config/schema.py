"""The YAML's sections as frozen, validated records; each field's description is its documentation."""

import datetime
import math
import re
import zoneinfo
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator, model_validator

from forecaster.config.calendar_names import check_feature_name
from forecaster.config.invalid_value import InvalidValue
from forecaster.config.migration import FORMAT, RENAMED_VALUES
from forecaster.config.time_formats import check_time_format
from forecaster.durations import parse_duration

_SMALLEST_SHARE = 1e-6
_LONGEST_PATH = 4096  # characters, the limit of most systems
_MOST = 1_000_000_000  # steps, epochs, windows: more than anybody has, and few enough for products in 64 bits
Count = Annotated[int, Field(strict=True, ge=1, le=_MOST)]
Units = Annotated[int, Field(strict=True, ge=1, le=8192)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(strict=True, ge=0, lt=1)]
Flag = Annotated[bool, Field(strict=True)]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Text = Annotated[str, Field(strict=True, min_length=1)]
Steps = Annotated[int, Field(strict=True, ge=0, le=_MOST)]
Probability = Annotated[float, Field(strict=True, gt=0, lt=1)]


def _check_share(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValue("a fraction below 1, or whole steps")
    if not 0 <= value < (1 if isinstance(value, float) else _MOST + 1):
        raise InvalidValue(f"a fraction from 0 to below 1, or whole steps from 0 to {_MOST:,}")
    if 0 < value < _SMALLEST_SHARE:
        raise InvalidValue(f"0, or a fraction from {_SMALLEST_SHARE:f}")
    return value


def _check_season(value: object) -> object:
    several = value if isinstance(value, list | tuple) else [value]
    steps = [season for season in several if isinstance(season, int) and not isinstance(season, bool)]
    fewest = 2 if len(several) > 1 else 1
    if several and len(set(steps)) == len(several) and all(fewest <= season <= 1_000_000 for season in steps):
        return tuple(steps) if len(steps) > 1 else steps[0]
    if value == "auto":
        return value
    raise InvalidValue("auto, whole steps from 1 to 1,000,000, or several such as [24, 168]")


def _check_frequency(value: object) -> object:
    renamed = RENAMED_VALUES["data", "frequency"].get(value) if isinstance(value, str) else None
    if renamed is not None:
        raise InvalidValue(code="renamed-value", name=renamed, received=value)
    return value


def _check_format(value: object) -> object:
    if value == FORMAT and not isinstance(value, bool):
        return value
    if isinstance(value, int) and value > FORMAT:
        raise InvalidValue(code="newer-format", format=FORMAT)
    raise InvalidValue(f"{FORMAT}")


def _check_feature(value: object) -> object:
    if error := check_feature_name(value):
        raise error
    return value


def _check_paths(value: object) -> object:
    named = value if isinstance(value, list | tuple) else [value]
    if not named or not all(isinstance(path, str) and path for path in named):
        raise InvalidValue("a path, or a list of paths")
    if any(len(str(path)) > _LONGEST_PATH for path in named):
        raise InvalidValue(f"paths of at most {_LONGEST_PATH:,} characters")
    return value if isinstance(value, str) else tuple(named)


def _check_names(value: object) -> object:
    named = value if isinstance(value, list | tuple) else [value]
    if any(isinstance(name, int | float) for name in named):
        quotes = """needs quotes: "69", and in a shell '"69"'"""
        raise InvalidValue(f"the name of a column, or a list of names; one that looks like a number {quotes}")
    if not named or not all(isinstance(name, str) and name for name in named) or len(set(named)) < len(named):
        raise InvalidValue("the name of a column, or a list of names")
    return value if isinstance(value, str) else tuple(named)


def _check_cells(value: object) -> object:
    cells = value if isinstance(value, list | tuple) else [value]
    if not cells or any(isinstance(cell, bool) or not isinstance(cell, int | str) for cell in cells):
        raise InvalidValue('a cell of the column as it is written, or a list of cells; "1.0", "no" need quotes')
    return tuple(str(cell).strip() for cell in cells)


def _check_delimiter(value: object) -> object:
    if value in ("auto", "tab"):  # which may be a list
        return "\t" if value == "tab" else value
    if isinstance(value, str) and len(value) == 1 and not value.isalnum() and value not in '"\r\n':
        return value
    raise InvalidValue("auto, tab, or one character that is no letter, digit or quote")


def _check_header(value: object) -> object:
    if value == "auto" or isinstance(value, bool):
        return value
    raise InvalidValue("auto, true or false")


def _check_sentinel(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value in {math.inf, -math.inf}:
        raise InvalidValue("a number or text")
    return value


# pydantic takes the list that JSON has of a tuple for a value of the wrong type, and warns.
_AsItIs = PlainSerializer(lambda value: value)
Paths = Annotated[
    str | tuple[str, ...], PlainValidator(_check_paths, json_schema_input_type=Text | list[Text]), _AsItIs
]
Names = Annotated[
    str | tuple[str, ...], PlainValidator(_check_names, json_schema_input_type=Text | list[Text]), _AsItIs
]
Cells = Annotated[
    str | tuple[str, ...],
    PlainValidator(_check_cells, json_schema_input_type=Text | int | list[Text | int]),
    _AsItIs,
]
Delimiter = Annotated[str, PlainValidator(_check_delimiter, json_schema_input_type=str)]
Header = Annotated[bool | int | str, PlainValidator(_check_header, json_schema_input_type=bool | int | Literal["auto"])]
Sentinel = Annotated[int | float | str, PlainValidator(_check_sentinel, json_schema_input_type=int | float | str)]
Share = Annotated[int | float, PlainValidator(_check_share, json_schema_input_type=int | float)]
_SeasonSteps = Annotated[int, Field(ge=1)]
Season = Annotated[
    int | str | tuple[int, ...],
    PlainValidator(_check_season, json_schema_input_type=_SeasonSteps | Literal["auto"] | list[_SeasonSteps]),
    _AsItIs,
]
Feature = Annotated[str, PlainValidator(_check_feature, json_schema_input_type=str)]


def _check_weekmask(value: object) -> object:
    days = value.split() if isinstance(value, str) else []
    if not days or any(day not in _WEEKDAYS for day in days) or len(set(days)) < len(days):
        raise InvalidValue("weekdays such as Mon Tue Wed Thu Fri")
    return " ".join(sorted(days, key=_WEEKDAYS.index))


def _check_date(value: object) -> object:
    try:
        return datetime.date.fromisoformat(value if isinstance(value, str) else "").isoformat()
    except ValueError:
        raise InvalidValue("a date such as 2026-12-25") from None


def _check_time_format(value: object) -> object:
    if error := check_time_format(value):
        raise error
    return value


def _check_duration(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"\d+(?:\.\d+)?(?:ms|s|min|h)", value):
        return value
    raise InvalidValue("a time such as 10s, 500ms or 2min")


def _check_zone(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"UTC[+-](0\d|1[0-4]):[0-5]\d", value):
        return value
    try:
        zoneinfo.ZoneInfo(value if isinstance(value, str) else "")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValue("a time zone such as Europe/Berlin, UTC or UTC+02:00") from None
    return value


_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
Weekmask = Annotated[str, PlainValidator(_check_weekmask, json_schema_input_type=str)]
Date = Annotated[str, PlainValidator(_check_date, json_schema_input_type=str)]
Duration = Annotated[str, PlainValidator(_check_duration, json_schema_input_type=str)]
TimeFormat = Annotated[str, PlainValidator(_check_time_format, json_schema_input_type=str)]
Zone = Annotated[str, PlainValidator(_check_zone, json_schema_input_type=str)]
Activation = Literal["linear", "tanh", "sigmoid", "relu", "elu", "selu", "silu", "softplus", "softsign", "hard_sigmoid"]


class Section(BaseModel):
    """A part of the config: unknown keys are refused, values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), defer_build=True)


def _check_age(value: object) -> object:
    if isinstance(value, str) and parse_duration(value) is not None:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST:
        return value
    raise InvalidValue("a duration such as 6h or 2d, or whole steps such as 3")


def _read_max_age(value: object) -> object:
    return value if value is None or isinstance(value, dict | MaxAge) else {"error": value}


Age = Annotated[int | str, PlainValidator(_check_age, json_schema_input_type=int | str)]


class MaxAge(Section):
    """How old the newest step may be: durations such as 6h, or whole steps."""

    warn: Age | None = Field(
        None, description="age from which a warning is printed: 3h, or steps such as 1; null: none"
    )
    error: Age | None = Field(
        None, description="age from which nothing is forecast: 6h, or steps such as 3; null: none"
    )


# `6h` or `3` alone is the age of an error.
MaxAgeOption = Annotated[
    MaxAge | None, BeforeValidator(_read_max_age, json_schema_input_type=MaxAge | int | str | None)
]


class Covariates(Section):
    """Columns in addition to the target."""

    past: tuple[Text, ...] = Field((), description="columns known up to the origin")
    future: tuple[Text, ...] = Field((), description="columns known over the horizon, too")
    static: tuple[Text, ...] = Field((), description="columns with one value per series")
    categorical: tuple[Text, ...] = Field(
        (), description="those of these columns that are categories although they hold numbers"
    )
    missing: dict[Text, Literal["error", "last", "seasonal", "none"]] = Field(
        {}, description="what replaces missing cells, by column: error | last | seasonal | none (no event)"
    )


class Late(Section):
    """What happens where the newest steps have no value yet."""

    steps: Count = Field(1, description="last steps of each series that may be missing")
    policy: Literal["fill", "move_back"] = Field(
        "fill",
        description="fill (as gaps does; previous where it is error) | move_back (forecast from an earlier step)",
    )


class Data(Section):
    """Which file, and how its rows become regular series."""

    path: Paths = Field(
        description="CSV or Parquet file, relative to this file; a pattern, a list, - for stdin, or a database URL"
    )
    query: Text | None = Field(
        None, description="SELECT statement, where path is a database URL such as sqlite:///sales.db"
    )
    time: Names | None = Field(
        "auto", description="time column, or its parts [year, month, ...]; null: rows are steps; auto: detected"
    )
    target: Names = Field(
        "auto",
        description='column to forecast; a list, or "*" for all columns: one series each; auto: the only numeric one',
    )
    series: Names | None = Field(None, description="id column, where one file holds several series; or a list")
    where: dict[Text, Cells] | None = Field(
        None, description="rows that are read: {region: north}, or {region: [north, west], kind: food}; null: all"
    )
    hierarchy: tuple[Text | tuple[Text, ...], ...] | None = Field(
        None,
        description="id columns from the top down: [region, shop] adds the sums of regions and the total; or one list "
        "of columns for each level: [[state], [purpose]]; null: no sums",
    )
    layout: Literal["columns", "rows", "dates"] = Field(
        "columns", description="what a row is: columns (one step) | rows (one series) | dates (one date in each column)"
    )
    skip: Steps = Field(0, description="rows below the header to skip")
    covariates: Covariates = Field(Covariates(), description="columns in addition to the target")
    frequency: Annotated[Text, BeforeValidator(_check_frequency)] = Field(
        "auto",
        description="auto, or a pandas alias: h, 15min, D, B, W-MON, MS, QS, YS, C; sessions; step (no dates)",
    )
    weekmask: Weekmask | None = Field(
        None, description="weekdays with rows (frequency C, sessions): Mon Tue Wed Thu Fri; null: detected"
    )
    holidays: tuple[Date, ...] = Field((), description="dates without rows, past and future (frequency C, sessions)")
    tolerance: Duration = Field("0s", description="largest distance of a timestamp from its step; it is moved there")
    timezone: Zone | None = Field(
        None, description="time zone of local times, such as Europe/Berlin; null: times are used as written"
    )
    date_order: Literal["auto", "day_first", "month_first"] = Field(
        "auto", description="order of dates such as 01/02/2026: auto | day_first | month_first"
    )
    time_format: TimeFormat = Field(
        "auto",
        description="how timestamps are written, where digits can be read in several ways: auto | YYYYMM | "
        'YYYYMMDDHH | epoch_seconds | excel_days | steps | "%d/%m/%y" | ...',
    )
    season: Season = Field(
        "auto",
        description="steps in a season (24 for hourly days), or in several: [24, 168]; 1: none; auto: detected",
    )
    calendar: tuple[Feature, ...] = Field(
        (), description="calendar features: hour, weekday, month, weekend, holiday.DE, fourier.168.3, ..."
    )
    gaps: Literal["error", "interpolate", "seasonal", "previous", "zero", "mask"] = Field(
        "error",
        description="how missing steps and cells are filled: error | interpolate | seasonal | previous | zero | mask",
    )
    max_gap: Count | None = Field(None, description="longest run of missing steps to fill; null: any length")
    late: Late | None = Field(
        None, description="what happens where the newest steps are missing; null: nothing, gaps decides"
    )
    last_bar: Literal["keep", "drop"] = Field("keep", description="a last bar that is not complete yet: keep | drop")
    duplicates: Literal["error", "first", "last", "mean", "sum"] = Field(
        "error", description="several rows with one timestamp: error | first | last | mean | sum"
    )
    invalid_values: Literal["error", "missing"] = Field(
        "error", description="target cells that are not numbers: error | missing"
    )
    na_values: tuple[Sentinel, ...] = Field((), description='numbers and texts that mean missing, such as [-999, "?"]')
    encoding: Literal["auto", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"] = Field(
        "auto", description="text encoding: auto | utf-8 | utf-16 | utf-16-le | utf-16-be | latin-1 | cp1252"
    )
    delimiter: Delimiter = Field("auto", description="character between cells: auto, tab, or the character")
    decimal: Literal["auto", ".", ","] = Field("auto", description='decimal mark: auto | "." | ","')
    thousands: Literal["auto", "none", ",", ".", " ", "'"] = Field(
        "auto", description='mark between groups of three digits: auto | none | "," | "." | " " | "\'"'
    )
    header: Header = Field(
        "auto",
        description="row with the names of the columns: auto | true (the first) | false (none) | line, such as 4",
    )
    unit: dict[Text, Text] | Literal["auto"] = Field(
        "auto", description="unit behind or before the numbers of a column, such as {price: $}: auto, or by column"
    )
    comment: Text | None = Field(None, description="text that begins a comment line; null: no comments")
    transform: Literal["none", "log", "log1p", "boxcox", "logit"] = Field(
        "none", description="transform of the values, undone in forecasts: none | log | log1p | boxcox | logit"
    )
    difference: tuple[Count, ...] = Field(
        (),
        description="lags of differences after the transform, undone in forecasts: [1], [24], [24, 1]",
    )
    minimum: Finite | None = Field(None, description="lowest value that is allowed in data and forecasts; null: none")
    maximum: Finite | None = Field(None, description="highest value that is allowed in data and forecasts; null: none")

    @model_validator(mode="before")
    @classmethod
    def _identify_bottom_series(cls, values: Any) -> Any:
        """Identify series by the columns of a hierarchy where it lists them all, and no others are stated."""
        columns = values.get("hierarchy") if isinstance(values, dict) and values.get("series") is None else None
        if isinstance(columns, list | tuple) and columns and all(isinstance(column, str) for column in columns):
            return {**values, "series": list(columns)}
        return values

    @property
    def seasons(self) -> tuple[int, ...]:
        """Steps in each season, the main one first; empty where there is none, or it is not found yet."""
        stated = self.season if isinstance(self.season, tuple) else (self.season,)
        return tuple(int(season) for season in stated if season not in {"auto", 1})

    @property
    def main_season(self) -> int:
        """Steps in the season that baselines and normalisations use, 1 where there is none."""
        return next(iter(self.seasons), 1)

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns of ids."""
        return (self.series,) if isinstance(self.series, str) else self.series or ()

    @property
    def wide(self) -> bool:
        """Whether several columns are targets."""
        return self.layout == "columns" and (self.target == "*" or isinstance(self.target, tuple))

    @property
    def several(self) -> bool:
        """Whether the CSV may hold several series."""
        return self.series is not None or self.layout != "columns" or self.wide


class Window(Section):
    """What the network reads and forecasts, in steps."""

    length: Annotated[int, Field(strict=True, ge=2)] = Field(description="steps that the network reads")
    min_length: Count | None = Field(
        None, description="shortest series to use, in steps; the window before its start is filled; null: window.length"
    )
    horizon: Count = Field(description="steps ahead that are forecast")


class Split(Section):
    """The chronological split: training part, then validation part, then test part."""

    validation: Share = Field(0.1, description="fraction, or number of steps: the part that selects the epoch")
    test: Share = Field(0.1, description="fraction, or number of steps: the part that is scored once, at the end")


def _check_layers(value: object) -> object:
    return (value,) if isinstance(value, int) else value


ONE_SIDED = frozenset({"log_normal", "negative_binomial", "categorical"})  # heads without values of the other sign


class Model(Section):
    """The network."""

    cell: Literal["simple_rnn", "lstm", "peephole_lstm", "gru", "slstm"] = Field(
        "lstm", description="recurrent cell: simple_rnn | lstm | peephole_lstm | gru | slstm"
    )
    units: Annotated[tuple[Units, ...], BeforeValidator(_check_layers, json_schema_input_type=Units | list[Units])] = (
        Field((64,), min_length=1, description="units of each layer; the first one reads the window")
    )
    bidirectional: Flag = Field(False, description="read the window from both ends")
    merge: Literal["concat", "sum", "mean"] = Field(
        "concat", description="how the outputs of both directions are combined: concat | sum | mean"
    )
    residual: Flag = Field(False, description="add each layer's input to its output, from the second layer on")
    dilation: Flag = Field(False, description="layer k continues from its state 2^k steps earlier, k from 0")
    layer_normalization: Flag = Field(False, description="normalize the outputs of each layer")
    segment: Count = Field(1, description="steps that one recurrent step reads")
    activation: Activation = Field("tanh", description="activation of the state")
    recurrent_activation: Activation = Field(
        "sigmoid", description="activation of the gates (lstm, peephole_lstm, gru; of slstm the output gate)"
    )
    normalization: Literal["none", "last", "mean", "revin", "seasonal", "profile"] = Field(
        "none", description="how each window is normalized: none | last | mean | revin | seasonal | profile"
    )
    normalization_scale: Literal["none", "deviation", "level", "change"] = Field(
        "none",
        description="what each window and its loss are divided by: none | deviation | level | change",
    )
    copy_segments: Flag = Field(
        False, description="start from a weighted mean of the window's segments (decoder dense)"
    )
    linear: Flag = Field(
        False,
        description="add a linear forecast from the window, which the network refines (decoders dense, positional)",
    )
    pretrained: Flag = Field(
        False, description="start from the zero-shot forecast, so that the network learns what to add to it"
    )
    embedding: Annotated[int, Field(strict=True, ge=0, le=4096)] = Field(
        0, description="width of a learned vector per series and per static category; 0: none"
    )
    channels: Literal["independent", "joint"] = Field(
        "independent",
        description="several targets: independent (each through the same network) | joint (read together)",
    )
    series_scale: Flag = Field(False, description="give the network the scale of each series as an input")
    dropout: Fraction = Field(0.0, description="fraction of each layer's outputs to drop in training")
    recurrent_dropout: Fraction = Field(0.0, description="fraction of the state to drop in training")
    zoneout: Fraction = Field(0.0, description="probability that a unit keeps its state in training")
    output: Literal["last", "sequence"] = Field(
        "last", description="which steps of the window are trained on: last | sequence (every step)"
    )
    unroll: Flag = Field(False, description="unroll the loop over time, faster for short windows")
    decoder: Literal["rollout", "dense", "seq2seq", "positional", "context", "latent"] = Field(
        "rollout", description="how the horizon is produced: rollout | dense | seq2seq | positional | context | latent"
    )
    attention: Literal["none", "additive", "multiplicative"] = Field(
        "none", description="attention over the steps read (dense, seq2seq): none | additive | multiplicative"
    )
    scheduled_sampling: Annotated[float, Field(strict=True, ge=0, le=1)] = Field(
        0.0, description="fraction of steps that are trained on the decoder's own output instead of the actual value"
    )
    warmup: Steps = Field(
        0, description="epochs over which scheduled_sampling, and the divergence of decoder latent, rise from 0"
    )
    latent: Units = Field(16, description="width of the latent variable (decoder latent)")
    head: Literal["point", "quantile", "normal", "student_t", "log_normal", "negative_binomial", "categorical"] = Field(
        "point",
        description="output: point | quantile | normal | student_t | log_normal | negative_binomial | categorical",
    )
    quantiles: tuple[Probability, ...] | None = Field(
        None, description="probabilities of head quantile, rising; null: 0.5 and those of forecast.levels"
    )
    bins: Annotated[int, Field(strict=True, ge=2, le=4096)] = Field(64, description="number of bins (head categorical)")


class Optimizer(Section):
    """The optimizer with its gradient clipping."""

    name: Literal[
        "sgd", "rmsprop", "adam", "adamw", "nadam", "adamax", "adagrad", "adadelta", "adafactor", "lion", "ftrl"
    ] = Field(
        "adam",
        description="sgd | rmsprop | adam | adamw | nadam | adamax | adagrad | adadelta | adafactor | lion | ftrl",
    )
    learning_rate: Positive = Field(0.001, description="learning rate before any schedule")
    momentum: Fraction = Field(0.0, description="momentum (sgd, rmsprop)")
    nesterov: Flag = Field(False, description="Nesterov momentum (sgd)")
    weight_decay: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] | None = Field(
        None, description="decoupled weight decay (Loshchilov 2019); null: 0.004 for adamw, none for the others"
    )
    clip_norm: Positive | None = Field(
        1.0, description="largest norm of the gradient over all weights (Pascanu 2013); null: no limit"
    )
    clip_value: Positive | None = Field(
        None, description="largest gradient of a single weight, instead of clip_norm; null: no limit"
    )

    @model_validator(mode="before")
    @classmethod
    def _prefer_clip_value(cls, values: Any) -> Any:
        """Switch off the default clip_norm where only clip_value is given."""
        if isinstance(values, dict) and values.get("clip_value") is not None and "clip_norm" not in values:
            return {**values, "clip_norm": None}
        return values


class Constant(Section):
    """The same rate in all epochs."""

    name: Literal["constant"] = Field("constant", description="schedule: constant | exponential | cosine | plateau")
    warmup: Steps = Field(0, description="epochs over which the rate rises from 0")


class Exponential(Section):
    """The rate is multiplied by `decay` each epoch."""

    name: Literal["exponential"] = "exponential"
    warmup: Steps = Field(0, description="epochs over which the rate rises from 0")
    decay: Annotated[float, Field(strict=True, gt=0, le=1)] = Field(0.9, description="factor per epoch")


class Cosine(Section):
    """The rate falls along half a cosine to `minimum` at the last epoch (Loshchilov 2017)."""

    name: Literal["cosine"] = "cosine"
    warmup: Steps = Field(0, description="epochs over which the rate rises from 0")
    minimum: Fraction = Field(0.01, description="rate at the end, as a fraction of learning_rate")


class Plateau(Section):
    """The rate is multiplied by `factor` when the validation loss stops falling."""

    name: Literal["plateau"] = "plateau"
    warmup: Steps = Field(0, description="epochs over which the rate rises from 0")
    factor: Annotated[float, Field(strict=True, gt=0, lt=1)] = Field(0.5, description="factor of each reduction")
    patience: Count = Field(3, description="epochs without improvement before a reduction")
    minimum: Fraction = Field(0.01, description="lowest rate, as a fraction of learning_rate")


Schedule = Annotated[Constant | Exponential | Cosine | Plateau, Field(discriminator="name")]


class EarlyStopping(Section):
    """When to stop; the weights of the best epoch are kept."""

    patience: Count = Field(5, description="epochs without a better validation loss before training stops")
    min_delta: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = Field(
        0.0, description="smallest improvement of the validation loss that counts"
    )


class Ema(Section):
    """An exponential average of the weights over the batches (Polyak & Juditsky 1992)."""

    name: Literal["ema"] = Field("ema", description="average of the weights: ema | swa")
    decay: Annotated[float, Field(strict=True, gt=0, lt=1)] = Field(
        0.999, description="weight of the past after each batch; 0.999 averages about 1,000 batches"
    )


class Swa(Section):
    """The mean of the weights at the end of the last epochs (Izmailov 2018)."""

    name: Literal["swa"] = "swa"
    start: Fraction = Field(0.75, description="fraction of the epochs after which the average begins")


Averaging = Annotated[Ema | Swa, Field(discriminator="name")]


class Training(Section):
    """How the network is trained."""

    optimizer: Optimizer = Field(Optimizer(), description="optimizer and gradient clipping")
    schedule: Schedule = Field(Constant(), description="learning rate over time")
    loss: Literal["auto", "mse", "mae", "huber", "log_cosh", "mape", "smape"] = Field(
        "auto",
        description="loss: auto (mse, or the head's) | mse | mae | huber | log_cosh | mape | smape",
    )
    batch_size: Count = Field(32, description="windows per batch")
    balance_series: Flag = Field(
        False, description="draw the same number of windows from each series, however long it is"
    )
    batches_per_epoch: Count | None = Field(None, description="batches per epoch, drawn at random; null: all windows")
    epochs: Count = Field(50, description="largest number of passes over the training windows")
    early_stopping: EarlyStopping | None = Field(
        EarlyStopping(), description="when training stops early; null: after all epochs"
    )
    averaging: Averaging | None = Field(
        None, description="average of the weights, which is validated and saved; null: none"
    )
    sign_flip: Flag = Field(False, description="train half of the windows with the opposite sign")
    refit: Literal["none", "all"] = Field(
        "none",
        description="training once more for as many steps, with the validation and test parts: none | all",
    )
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**31)] = Field(
        0, description="seed of initial weights, order of windows and dropout"
    )


Level = Annotated[float, Field(strict=True, ge=0.001, le=99.999)]


class ForecastOptions(Section):
    """Intervals, rollout and fallback of forecasts."""

    levels: tuple[Level, ...] = Field((80, 95), description="coverage of the intervals in percent; []: none")
    intervals: Literal["auto", "head", "conformal"] = Field(
        "auto", description="source of the intervals: auto (conformal for point heads and averages) | head | conformal"
    )
    interval_scale: Literal["none", "change"] = Field(
        "change",
        description="whether conformal intervals of head point scale with the change within the window: change | none",
    )
    columns: Literal["levels", "quantiles"] = Field(
        "levels",
        description="names of interval columns: levels (lower_95, median, upper_95) | quantiles (q0.025, q0.975)",
    )
    samples: Annotated[int, Field(strict=True, ge=10, le=100_000)] = Field(
        200, description="sample paths that are drawn where quantiles have no closed form"
    )
    rollout: Literal["auto", "slide", "carry"] = Field(
        "auto",
        description="in a rollout: slide (read the window again at each step) | carry (keep the state) | auto (carry, "
        "unless slide is more accurate in validation)",
    )
    fallback: Literal["never", "combine", "replace"] = Field(
        "combine",
        description="average with forecasts that need no training, by errors in validation: combine | replace (with "
        "the best) | never",
    )
    reconcile: Literal["mint", "bottom_up", "top_down", "none"] = Field(
        "mint",
        description="how forecasts of a hierarchy add up: mint (by past errors) | bottom_up | top_down | none",
    )


class Ensemble(Section):
    """Several networks whose forecasts are combined."""

    size: Annotated[int, Field(strict=True, ge=1, le=100)] = Field(5, description="number of networks; 1: no ensemble")
    vary: Literal["seed", "window", "loss", "sign_flip", "start", "snapshot", "shards"] = Field(
        "seed",
        description="how the networks differ: seed | window | loss | sign_flip | start | snapshot | shards",
    )
    combine: Literal["median", "mean"] = Field(
        "median", description="how forecasts and quantiles are combined: median | mean"
    )
    processes: Annotated[int, Field(strict=True, ge=1, le=100)] = Field(
        1, description="networks that are trained at the same time"
    )


Policy = Literal["auto", "error", "warn", "ignore"]


class Checks(Section):
    """What is checked before a forecast is written."""

    max_age: MaxAgeOption = Field(
        None, description="largest age of the newest step: 6h, steps such as 3, or {warn: 3h, error: 6h}; null: any"
    )
    range: Policy = Field(
        "auto",
        description="values or forecasts far outside the range ever seen: auto (warn; in jobs error) | error | warn "
        "| ignore",
    )
    range_factor: Positive = Field(
        10.0, description="how far outside, in widths of the range; a width is at least a tenth of the largest value"
    )
    constant: Policy = Field(
        "auto",
        description="one value for more than twice as long as ever before: auto (warn; in jobs error) | error | warn "
        "| ignore",
    )
    step: Policy = Field(
        "auto",
        description="newest rows of a longer step than the run's: auto (warn; in jobs error) | error | warn | ignore",
    )


class Config(Section):
    """A whole config: everything that `forecast train` needs besides the CSV."""

    format: Annotated[int, PlainValidator(_check_format, json_schema_input_type=Literal[1])] = Field(
        FORMAT, description="version of the keys, so that later versions of forecast can read this file"
    )
    data: Data = Field(description="which file, and how its rows become regular series")
    window: Window = Field(description="what the network reads and forecasts, in steps")
    split: Split = Field(Split(), description="the end of each series that is held out, in time order")
    scaling: Literal["auto", "none", "standard", "minmax", "robust", "mean", "change"] = Field(
        "auto",
        description="scaling of the values, fitted on the training part: auto (standard, or what head and loss need) "
        "| none | standard | minmax | robust | mean | change",
    )
    model: Model = Field(Model(), description="the network")
    training: Training = Field(Training(), description="how the network is trained")
    ensemble: Ensemble | None = Field(
        None, description="several networks whose forecasts are combined; null: one network"
    )
    forecast: ForecastOptions = Field(ForecastOptions(), description="intervals, rollout and fallback of forecasts")
    checks: Checks = Field(Checks(), description="what is checked before a forecast is written")

    @property
    def scaling_method(self) -> str:
        """The scaling to fit: the one that is set, or of `auto` what head and loss need."""
        if self.scaling != "auto":
            return self.scaling
        if self.model.head == "negative_binomial":
            return "none" if self.data.several else "mean"
        if self.model.head == "log_normal":
            return "mean"
        return "none" if self.training.loss in {"mape", "smape"} else "standard"

    @property
    def steps_ahead(self) -> int:
        """Steps that the network learns at once: the horizon, or a segment where it is rolled out."""
        return self.model.segment if self.model.decoder == "rollout" else self.window.horizon

    @property
    def context_steps(self) -> int:
        """Steps that a forecast needs: the window, and before it what its differences are taken from."""
        return self.window.length + sum(self.data.difference)

    @property
    def lookback_steps(self) -> int:
        """Steps that a forecast looks back on: those that are read, and the last season that it may fall back on."""
        return (
            self.context_steps if self.forecast.fallback == "never" else max(self.context_steps, self.data.main_season)
        )

    @property
    def padding_steps(self) -> int:
        """Steps before the start of each series that a window may begin in."""
        min_length = self.window.min_length
        return 0 if min_length is None else self.window.length - min_length

    @property
    def channels(self) -> int:
        """Series that are read and answered together."""
        joint = self.model.channels == "joint" and not isinstance(self.data.target, str)
        return len(self.data.target) if joint else 1

    @property
    def rollout(self) -> str:
        """How the network comes to a horizon: `direct`, at once; `carry` or `slide`, step by step.

        An open choice counts as `slide` until the network is trained.
        """
        match self.model.decoder:
            case "dense" | "positional":
                return "direct"
            case "rollout":
                return "slide" if self.forecast.rollout == "auto" else self.forecast.rollout
            case _:
                return "carry"

    @property
    def loss(self) -> str:
        """The name of what training lowers."""
        if self.model.head == "point":
            return "mse" if self.training.loss == "auto" else self.training.loss
        return {"quantile": "pinball", "categorical": "cross-entropy"}.get(self.model.head, "negative log-likelihood")

    @property
    def by_change(self) -> bool:
        """Whether errors are divided by the change of each window."""
        return self.conformal and self.model.head == "point" and self.forecast.interval_scale == "change"

    @property
    def conformal(self) -> bool:
        """Whether the intervals come from errors in validation."""
        return self.forecast.intervals == "conformal" or (
            self.forecast.intervals == "auto" and self.model.head == "point"
        )
