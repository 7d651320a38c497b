"""Reading a YAML: positions, suggestions, overrides, refused combinations, and writing it back."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from forecaster.config import build_json_schema, load_config, load_resolved, load_values, reader
from forecaster.config.reader import parse_document, quote_yaml
from forecaster.config.template import SCHEMA_FILE, render_commented_yaml
from forecaster.errors import ConfigError
from tests.helpers.command import ROOT

MINIMAL = "data: {path: x.csv}\nwindow: {length: 10, horizon: 2}\n"


def problems(tmp_path: Path, text: str, *overrides: str) -> list[str]:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    try:
        return [str(problem).replace(str(path), "c.yaml") for problem in load_config(path, overrides).problems]
    except ConfigError as error:
        return [str(problem).replace(str(path), "c.yaml") for problem in error.problems]


def config(tmp_path: Path, text: str = MINIMAL, *overrides: str):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    loaded = load_config(path, overrides)
    assert not loaded.problems
    return loaded.config


def test_an_unknown_key_is_named_with_its_place_and_the_nearest_right_name(tmp_path):
    found = problems(tmp_path, MINIMAL + "training:\n  epoch: 5\n")
    assert found == ["c.yaml:4:3: training.epoch: unknown key, did you mean 'epochs'?"]


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("epochs", "training.epochs"),
        ("horizon", "window.horizon"),
        ("training.units", "model.units"),
        ("learning_rate", "training.optimizer.learning_rate"),
        ("data.levels", "forecast.levels"),
    ],
)
def test_a_key_of_another_section_is_suggested_with_its_section(tmp_path, given, key):
    (found,) = problems(tmp_path, MINIMAL, f"{given}=3")
    assert found == f"--set {given}=3: {given}: unknown key, did you mean '{key}'?"


@pytest.mark.parametrize(
    ("rest", "method"),
    [
        ("", "standard"),
        ("model: {head: normal}", "standard"),
        ("model: {head: log_normal}", "mean"),
        ("model: {head: negative_binomial}", "mean"),
        ("model: {head: log_normal}\nscaling: none", "none"),
        ("training: {loss: mape}\ndata: {path: x.csv, time: t, target: y, transform: log}", "none"),
        ("model: {head: negative_binomial}\ndata: {path: x.csv, time: t, target: y, series: shop}", "none"),
    ],
)
def test_auto_scaling_is_what_head_and_loss_need(tmp_path, rest, method):
    data = "" if "data:" in rest else "data: {path: x.csv, time: t, target: y}\n"
    assert config(tmp_path, f"{data}window: {{length: 10, horizon: 2}}\n{rest}").scaling_method == method


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "model: {cell: lsmt}",
            "model.cell: received 'lsmt', expected simple_rnn | lstm | peephole_lstm | gru | slstm, did you mean 'lstm'?",
        ),
        ("training: {epochs: 0}", "training.epochs: received 0, expected at least 1"),
        ("training: {epochs: 2.5}", "training.epochs: received 2.5, expected a whole number"),
        ("training: {epochs: true}", "training.epochs: received true, expected a whole number"),
        ("training: {epochs: '5'}", "training.epochs: received '5', expected a whole number"),
        ("training: {optimizer: {learning_rate: fast}}", "received 'fast', expected a number"),
        ("training: {optimizer: {learning_rate: .inf}}", "received inf, expected a finite number"),
        ("training: {optimizer: adam}", "training.optimizer: received 'adam', expected a section with keys"),
        ("training: {schedule: {name: cosin}}", "training.schedule: name: received 'cosin', expected constant"),
        ("training: {schedule: {name: cosine, decay: 0.5}}", "training.schedule.decay: unknown key"),
        ("training: {schedule: {name: cosine, minimun: 0.5}}", "minimun: unknown key, did you mean 'minimum'?"),
        ("split: {test: 1.5}", "split.test: received 1.5, expected a fraction from 0 to below 1, or whole steps"),
        ("split: {test: .nan}", "split.test: received nan, expected a fraction"),
        ("split: {test: -1}", "split.test: received -1, expected a fraction"),
        ("split: {test: 12:30}", "split.test: received '12:30', expected a fraction below 1, or whole steps"),
        ("model: {units: []}", "model.units: received [], expected at least one"),
        ("model: {units: [8, 0]}", "model.units.1: received 0, expected at least 1"),
        ("model: 5", "model: received 5, expected a section with keys"),
        ("scaling: no", "scaling: received 'no', expected auto | none | standard | minmax | robust"),
    ],
)
def test_a_wrong_value_is_answered_with_what_was_received_and_expected(tmp_path, line, expected):
    found = problems(tmp_path, MINIMAL + line)
    assert len(found) == 1
    assert found[0].startswith("c.yaml:3:")
    assert expected in found[0]


def test_all_problems_are_reported_at_once(tmp_path):
    text = "data: {pth: x.csv}\nwindow: {length: 1, horizon: 0}\nmodel: {cell: gruu, output: sequence, bidirectional: true}\n"
    found = problems(tmp_path, text)
    assert [line.split(": ")[1] for line in found] == [
        "data.path",
        "data.pth",
        "window.length",
        "window.horizon",
        "model.cell",
    ]


def test_combinations_are_checked_with_other_problems(tmp_path):
    text = MINIMAL + "model: {bidirectional: true, output: sequence}\ntraining: {epoch: 3}\n"
    assert [line.split(": ")[1] for line in problems(tmp_path, text)] == ["training.epoch", "model.output"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("model: {bidirectional: true, output: sequence}", "model.output: sequence cannot go with bidirectional"),
        ("model: {decoder: dense, output: sequence}", "model.output: sequence cannot go with decoder: dense"),
        (
            "split: {validation: 0.5, test: 0.5}",
            "split.test: validation and test, 0.5 and 0.5, leave nothing to train on",
        ),
        ("model: {residual: true, units: [4, 5]}", "needs layers of the same width, units are [4, 5]"),
        ("model: {residual: true}", "needs a second layer"),
        ("model: {dilation: true}", "starts with the second layer"),
        ("model: {merge: sum}", "merges two directions; set model.bidirectional: true"),
        ("model: {segment: 4}", "does not divide into segments of 4; use window.length: 8 | 12"),
        ("model: {segment: 10}", "a rollout needs a window of at least two segments, 20 steps"),
        ("model: {normalization: revin, output: sequence}", "revin cannot go with output: sequence"),
        ("model: {normalization: revin, normalization_scale: level}", "revin scales each window already"),
        ("model: {normalization_scale: level, output: sequence}", "cannot go with output: sequence, since it reveals"),
        (
            "training: {loss: mape}\nscaling: none",
            "mape is computed on log-transformed data; use data.transform: log | log1p",
        ),
        (
            "model: {linear: true, decoder: context}",
            "linear: decoder context forecasts step by step; use model.decoder: dense | positional",
        ),
        (
            "model: {copy_segments: true}",
            "copy_segments: decoder rollout answers step by step; use model.decoder: dense",
        ),
        (
            "model: {pretrained: true}",
            "pretrained: decoder rollout learns one segment, and the zero-shot forecast is that of the whole horizon; "
            "use model.decoder: dense | positional | seq2seq",
        ),
        (
            "model: {pretrained: true, decoder: dense, copy_segments: true}",
            "copy_segments: with model.pretrained the forecast starts from the zero-shot forecast, not from segments; "
            "use model.copy_segments: false or model.pretrained: false",
        ),
        ("model: {cell: simple_rnn, recurrent_activation: tanh}", "simple_rnn has no gates"),
        ("training: {optimizer: {clip_value: 1.0, clip_norm: 1.0}}", "cannot go with clip_norm"),
        ("training: {optimizer: {name: adam, momentum: 0.9}}", "adam has no momentum"),
        ("training: {optimizer: {name: sgd, nesterov: true}}", "needs name: sgd and a momentum"),
        ("training: {epochs: 3, schedule: {name: cosine, warmup: 3}}", "leave none of 3"),
        ("split: {validation: 0}\ntraining: {schedule: {name: plateau}}", "plateau watches the validation loss"),
        (
            "model: {decoder: dense}\nsplit: {validation: 1}",
            "split.validation: 1 step of validation is too few for ",
        ),
        ("split: {test: 1}", "use split.test: "),
        ("model: {bidirectional: true}\nforecast: {rollout: carry}", "carry cannot go with model.bidirectional"),
        ("model: {decoder: dense}\nforecast: {rollout: carry}", "carry is for decoder: rollout only"),
        (
            "model: {attention: additive}",
            "additive cannot go with decoder: rollout, which keeps only the last states of the window",
        ),
        ("model: {decoder: positional, attention: additive}", "of the window; use model.decoder: dense"),
        ("model: {scheduled_sampling: 0.5}", "decoder rollout is not trained on its own answers"),
        ("model: {decoder: latent, warmup: 50}", "model.warmup: 50 epochs of warm-up leave none of 50; use fewer"),
        (
            "model: {units: [4, 4, 4, 4, 4], dilation: true}",
            "layer 5 would read the state 16 steps before, and the window has 10",
        ),
        ("model: {head: quantile, quantiles: [0.6, 0.9]}", "the median is missing, which is the forecast; add"),
        ("model: {decoder: seq2seq, warmup: 5}", "model.warmup: nothing rises over these epochs"),
        ("model: {latent: 8}", "model.latent: decoder rollout has no latent variable; use model.decoder: latent"),
        (
            "model: {head: negative_binomial}\nscaling: standard",
            "scaling: standard moves 0, below which head negative_binomial has no",
        ),
        ("model: {head: log_normal}\nscaling: robust", "scaling: robust moves 0"),
        ("model: {head: normal}\ntraining: {loss: mae}", "mae is a loss of head point; normal has its own"),
        ("model: {quantiles: [0.1, 0.9]}", "head point has a closed form; remove the key, or use model.head: quantile"),
        ("model: {head: quantile, quantiles: [0.9, 0.1]}", "do not rise; write [0.1, 0.9]"),
        ("model: {head: quantile, quantiles: []}", "is empty; list probabilities such as"),
        ("model: {head: quantile, quantiles: [0.1, 0.9]}", "95 lies beyond model.quantiles; add 0.025 and 0.975"),
        ("model: {bins: 32}", "head point has no bins"),
        (
            "forecast: {intervals: head}",
            "head cannot go with model.head: point, which has none; use forecast.intervals: conformal",
        ),
        ("model: {embedding: 4}", "distinguishes series, and there is one; name their column in data.series"),
        (
            "scaling: none\nmodel: {head: log_normal}\ntraining: {sign_flip: true}",
            "training.sign_flip: head log_normal has no values of the other",
        ),
    ],
)
def test_an_impossible_combination_is_refused_with_its_reason(tmp_path, line, reason):
    _refused(tmp_path, MINIMAL + line, reason)


@pytest.mark.parametrize(
    ("data", "rest", "reason"),
    [
        ("covariates: {static: [kind]}", "", "distinguish series, and there is one; name their column in data.series"),
        ("gaps: zero", "scaling: mean\nmodel: {head: log_normal}", "data.gaps: zero cannot go with head: log_normal"),
        (
            "series: shop",
            "scaling: mean\nmodel: {head: negative_binomial}",
            "a unit that is no count; use scaling: none",
        ),
    ],
)
def test_an_impossible_combination_with_data_is_refused_with_its_reason(tmp_path, data, rest, reason):
    _refused(tmp_path, MINIMAL.replace("path: x.csv", f"path: x.csv, {data}") + rest, reason)


def _refused(tmp_path, text, reason):
    found = problems(tmp_path, text)
    assert len(found) == 1, found
    assert reason in found[0]
    assert found[0].startswith("c.yaml:")


def test_a_repeated_key_is_refused(tmp_path):
    assert problems(tmp_path, MINIMAL + "model: {cell: gru}\nmodel: {cell: lstm}\n") == [
        "c.yaml:4:1: the key 'model' is given twice"
    ]


def test_an_alias_is_refused(tmp_path):
    found = problems(tmp_path, "data: &a {path: x.csv}\nwindow: *a\n")
    assert found == ["c.yaml:2:9: aliases are not allowed: write the value out"]


def test_python_objects_are_refused(tmp_path):
    found = problems(tmp_path, "data: !!python/object/apply:os.system [ls]\n")
    assert len(found) >= 1
    assert "c.yaml" in found[0]


def test_a_config_over_a_mebibyte_is_refused(tmp_path):
    assert "at most" in problems(tmp_path, "# " + "x" * (1 << 20))[0]


@pytest.mark.parametrize(
    "text", ["[1, 2]", "just text", "data: [unclosed", "\t- x", "a: b: c", "{", "? x", "--- a\n--- b"]
)
def test_what_is_no_config_is_an_error_with_the_files_name(tmp_path, text):
    assert problems(tmp_path, text)[0].startswith("c.yaml")


@pytest.mark.parametrize(
    "text", ["a: !!int abc", "a: !!timestamp abc", "a: !!bool maybe", "a: \x00", "a: " + "[" * 3000, "a: " + "9" * 5000]
)
def test_values_that_cannot_be_read_are_named(tmp_path, text):
    assert problems(tmp_path, text)[0].startswith("c.yaml")


def test_a_section_that_is_no_section_is_not_called_missing_too(tmp_path):
    assert problems(tmp_path, "data: 5\nwindow: {length: 10, horizon: 2}\n") == [
        "c.yaml:1:1: data: received 5, expected a section with keys"
    ]


@pytest.mark.parametrize(
    ("further", "reason"),
    [
        ({"scaling": "standard"}, "smape is computed on logarithms that are not scaled; use scaling: none"),
        ({}, None),
        ({"scaling": "none", "model": {"normalization_scale": "level"}}, "use model.normalization_scale: none"),
        ({"scaling": "none"}, None),
    ],
)
def test_percentages_need_logarithms_as_they_are(further, reason):
    values = {"data": {"path": "x.csv", "transform": "log"}, "window": {"length": 8, "horizon": 2}, **further}
    loaded = load_values(values | {"training": {"loss": "smape"}}, "x.yaml")
    assert len(loaded.problems) == (reason is not None)
    assert reason is None or reason in str(loaded.problems[0])


def test_a_conflict_is_reported_with_an_error_in_the_same_section(tmp_path):
    found = problems(tmp_path, MINIMAL + "training: {epochs: 0, optimizer: {clip_value: 1.0, clip_norm: 1.0}}")
    assert [line.split(": ")[1] for line in found] == ["training.epochs", "training.optimizer.clip_value"]


def test_yaml_scalars_follow_version_1_2():
    values = parse_document("{a: 1e-3, b: 12:30, c: no, d: 010, e: true, f: ~, g: 1_000}", "x").values
    assert values == {"a": 0.001, "b": "12:30", "c": "no", "d": 10, "e": True, "f": None, "g": "1_000"}


def test_set_lays_values_over_the_file(tmp_path):
    loaded = config(
        tmp_path, MINIMAL, "training.epochs=3", "model.units=[8, 4]", "training.optimizer.learning_rate=1e-2"
    )
    assert (loaded.training.epochs, loaded.model.units, loaded.training.optimizer.learning_rate) == (3, (8, 4), 0.01)


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("training.epoch=5", "--set training.epoch=5: training.epoch: unknown key, did you mean 'epochs'?"),
        ("training.epochs=-1", "--set training.epochs=-1: training.epochs: received -1, expected at least 1"),
        ("training.epochs", "--set training.epochs: expected section.key=value"),
        ("window.length.x=1", "--set window.length.x=1: length is a single value, it has no keys"),
        ("=1", "--set =1: expected section.key=value"),
        ("data.target=#x", "--set data.target=#x: the value reads as null; put it in quotes"),
        ("training.epochs=5\nfoo: 3", "--set training.epochs=5"),
        ("training.epochs=[", "--set training.epochs=["),
        (
            "data.comment=%",
            "--set data.comment=%:1:8: found character '%' that cannot start any token; where the value is text, "
            """put it in quotes: --set 'data.comment="%"'""",
        ),
        ("data.target=69", "--set data.target=69: data.target: received 69, expected the name of a column"),
    ],
)
def test_a_wrong_set_is_named_as_it_was_written(tmp_path, assignment, expected):
    assert problems(tmp_path, MINIMAL, assignment)[0].startswith(expected)


def test_the_data_path_is_relative_to_the_yaml(tmp_path):
    assert config(tmp_path).data.path == str(tmp_path / "x.csv")


def test_a_clip_value_replaces_the_default_clip_norm(tmp_path):
    optimizer = config(tmp_path, MINIMAL + "training: {optimizer: {clip_value: 0.5}}").training.optimizer
    assert (optimizer.clip_value, optimizer.clip_norm) == (0.5, None)


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "model: {units: [3, 2], dropout: 0.25}\ntraining: {schedule: {name: plateau, factor: 0.3}, early_stopping: null}",
        "split: {validation: 5, test: 0.25}\ntraining: {optimizer: {clip_value: 1e-9}}",
    ],
)
@pytest.mark.parametrize(
    "column",
    [
        "load",
        "#Passengers",
        "a: b",
        "on",
        "12:30",
        "1",
        'say "x"',
        "größe",
        "- x",
        "null",
        " ",
        "=",
        "<<",
        "2020-99-99",
        "1e3",
        "😀",
        "a #b",
    ],
)
def test_a_config_written_out_reads_back_the_same(tmp_path, lines, column):
    written = config(tmp_path, MINIMAL + lines, f"data.target={json.dumps(column, ensure_ascii=False)}")
    assert load_resolved(render_commented_yaml(written, "forecast train x.yaml"), "x") == written


def test_every_key_of_a_written_config_has_its_meaning_next_to_it(tmp_path):
    text = render_commented_yaml(config(tmp_path), "forecast train x.yaml")
    lines = text.splitlines()
    assert lines[0].startswith("# yaml-language-server: $schema=")
    assert lines[1] == "# forecast train x.yaml"
    undocumented = [line for line in lines[3:] if "  # " not in line and not line.strip().startswith("name: ")]
    assert undocumented == []


def test_the_shipped_schema_is_what_the_code_builds():
    assert json.loads(SCHEMA_FILE.read_text()) == build_json_schema()


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_a_shipped_config_is_valid_and_opens_with_the_command_that_runs_it(path):
    lines = path.read_text().splitlines()
    assert lines[0] == "# yaml-language-server: $schema=../forecaster/config/schema.json"
    command = f"train configs/{path.name}"
    if path.name == "impute.yaml":
        command = "impute configs/data/gaps.csv configs/impute.yaml --output filled.csv --plot filled.png"
    assert lines[1] == f"# forecast {command}"
    assert not load_config(path).problems
    jsonschema.validate(yaml.safe_load(path.read_text()), build_json_schema())


def test_the_schema_catches_what_yaml_1_1_makes_of_a_time():
    wrong = {"data": {"path": "x"}, "window": {"length": 10, "horizon": 2}, "split": {"test": "12:30"}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, build_json_schema())


@pytest.mark.parametrize(
    "text",
    [
        "load",
        "TOTAL PATIENTS",
        "a, b",
        "69",
        "no",
        "",
        "%",
        "x: y",
        "#1",
        "[a]",
        "a}b",
        "1:30",
        'say "x"',
        "~",
        "-",
        "- a",
    ],
)
def test_a_text_written_as_yaml_is_read_as_itself_anywhere(text):
    for document in ("value: {}", "value: [{}]", "value: {{{}: 1}}"):
        value = parse_document(document.format(quote_yaml(text)), "x").values["value"]
        assert value in (text, [text], {text: 1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: {path: x.csv, longest_gap: 3}", "data.longest_gap: this key is now called max_gap; write max_gap: 3"),
        (
            "data: {path: x.csv, text: missing}",
            "data.text: this key is now called invalid_values; write invalid_values: missing",
        ),
        (
            "data: {path: x.csv, dates: day_first}",
            "data.dates: this key is now called date_order; write date_order: day_first",
        ),
        (
            "data: {path: x.csv, incomplete: drop}",
            "data.incomplete: this key is now called last_bar; write last_bar: drop",
        ),
        (
            "data: {path: x.csv, frequency: observed}",
            "data.frequency: observed is now called sessions",
        ),
        ("training: {flip: true}", "training.flip: this key is now called sign_flip; write sign_flip: true"),
        (
            "training: {sampling: series}",
            "training.sampling: this key is now called balance_series; write balance_series: true",
        ),
        (
            "training: {sampling: windows}",
            "training.sampling: this key is now called balance_series; write balance_series: false",
        ),
        ("ensemble: {vary: flip}", "ensemble.vary: flip is now called sign_flip; write sign_flip"),
        ("format: 2", "format: received 2; this version reads configs up to format 1: upgrade forecast"),
        ("format: x", "format: received 'x', expected 1"),
    ],
)
def test_a_key_of_an_earlier_format_is_refused_with_its_name_of_today(tmp_path, text, message):
    given = yaml.safe_load(text)
    document = {"data": {"path": "x.csv"}, "window": {"length": 4, "horizon": 2}} | given
    path = tmp_path / "x.yaml"
    path.write_text(json.dumps(document))
    (problem,) = load_config(path).problems
    assert message in str(problem)


def test_a_shorter_name_of_the_window_is_refused_too(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("data: {path: x.csv}\nwindow: {length: 4, shortest: 2, horizon: 2}\n")
    assert tuple(map(str, load_config(path).problems)) == (
        f"{path}:2:21: window.shortest: this key is now called min_length; write min_length: 2",
    )


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML was built without libyaml")
def test_configs_of_the_project_and_of_runs_are_read_by_the_fast_parser(monkeypatch):
    monkeypatch.setattr(reader, "_Loader", None)
    paths = [path for folder in ("configs", "tests/runs") for path in (ROOT / folder).rglob("*.yaml")]
    assert len(paths) > 10
    for path in paths:
        reader.read_document(path)


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML was built without libyaml")
def test_both_parsers_read_alike():
    folders = ("configs", "benchmarks", "tests/runs")
    texts = [path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.yaml")]
    texts += [
        "a: |\n  b\n   c\nd: >-\n  e\n\n  f\n",
        "a: [1, {b: c, d: [~, 1e-3, .5]}]\n",
        "--- \na: 'it''s'\nb: \"\\u00e9\\\n  x\"\n",
        "a: 1 # ?\n# ? b\nc: 'x # ?\n  y'\nd: |\n  # ?\n  z # ?\ne: \"# ?\"\n",
    ]
    assert len(texts) > 20
    for text in texts:
        one, other = (reader._parse(kind, text, "x") for kind in (reader._FastLoader, reader._Loader))
        assert (repr(one.values), one.positions) == (repr(other.values), other.positions)
    for text in ("a: *b\n", "a: &b 1\nc: *b\n", "a: [\n", "a: 1\na: 2\n", "a: !!python/name:os.system\n", "[" * 5000):
        messages = []
        for parse in (reader.parse_document, lambda text, name: reader._parse(reader._Loader, text, name)):
            with pytest.raises(ConfigError) as error:
                parse(text, "x")
            messages.append(str(error.value))
        assert messages[0] == messages[1]
