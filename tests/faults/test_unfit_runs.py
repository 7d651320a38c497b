"""Runs whose files have valid hashes around unfit or hostile content: exit 6 with the file named, and nothing is done."""

import contextlib
import io
import json
import os
import random
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from forecaster.errors import CannotCreate, ForecasterError, RunError
from forecaster.evaluation.evaluate import evaluate
from forecaster.forecasting.predict import predict
from forecaster.runs import load_version, write_version
from forecaster.runs.retention import Retention, forget
from forecaster.weights_file import open_weights
from tests.faults.hostile import SAVED, copy_run, edit_json, replace_file, version_of


@pytest.fixture
def version(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return copy_run(tmp_path)


def forecast(version):
    return predict(load_version(version.parent.parent)).forecasts


def code_of(version):
    """The exit code of a forecast."""
    try:
        forecast(version)
    except ForecasterError as error:
        return error.exit_code
    return 0


def npy(array, **changes):
    """The bytes of an array, with a header that may differ."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array) | changes)
    return file.getvalue() + array.tobytes()


def scaler(**values):
    return {"scalers": {"load": {"offset": 100.0, "scale": 7.0, "lags": []} | values}}


def fallback(**values):
    return {"fallback": {"season": 24, "weights": {}, "unknown_weight": 1.0} | values}


FORECASTERS = {"forecasters": ["network", "naive"], "weights": {}, "unknown_weights": [0.5, 0.5], "horizons": 2.0}


def edit_text(version, name, old, new):
    text = (version / name).read_text()
    assert old in text
    replace_file(version, name, text.replace(old, new).encode())


ERRORS = np.full((30, 6), 0.5)
RESIDUALS = {
    "no rows": npy(ERRORS[:0]),
    "other steps": npy(ERRORS[:, :5]),
    "unknown": npy(np.full((30, 6), np.nan)),
    "infinite": npy(np.where(ERRORS > 0, np.inf, 0)),
    "whole numbers": npy(ERRORS.astype(int)),
    "texts": npy(np.full((30, 6), "x")),
    "objects": npy(ERRORS, descr="|O"),
    "8 TB in the header": npy(ERRORS, shape=(10**12 // 6, 6)),
    "by columns": npy(ERRORS, fortran_order=True),
    "one axis": npy(ERRORS[0]),
    "cut": npy(ERRORS)[:-1],
    "no array": b"\x93NUMPY",
    "code": npy(ERRORS).replace(b"descr", b"ex()("),
}
PREPROCESSING = {
    "no scaler": {"scalers": {}},
    "a list of scalers": {"scalers": [1]},
    "a scaler without values": {"scalers": {"load": {}}},
    "lags": scaler(lags=[-1]),
    "other lags than the config": scaler(lags=[24]),
    "scale below 0": scaler(scale=-1.0),
    "scale that is no number": scaler(scale=float("nan")),
    "scale that is text": scaler(scale="wide"),
    "offset": scaler(offset=float("inf")),
    "transform": scaler(curve={"kind": "exp"}),
    "transform with unknown values": scaler(curve={"code": "x"}),
    "categories": {"categories": {"shop": ["a", "b"]}},
    "features": {"features": {"past": []}},
}
CALIBRATIONS = {
    "smallest change": {"smallest_change": -1},
    "smallest change that is no number": {"smallest_change": float("nan")},
    "season 0": fallback(season=0),
    "season of text": fallback(season="24"),
    "weight above 1": fallback(weights={"load": 2}),
    "weight that is no number": fallback(unknown_weight=float("nan")),
    "weights in a list": fallback(weights=[0.5]),
    "fallback of text": {"fallback": "naive"},
    "weights of other forecasters": {"fallback": FORECASTERS | {"weights": {"load": [1.0]}}},
    "weights that add up to 2": {"fallback": FORECASTERS | {"unknown_weights": [1.0, 1.0]}},
    "weight that is negative": {"fallback": FORECASTERS | {"unknown_weights": [1.5, -0.5]}},
    "unknown forecaster": {"fallback": FORECASTERS | {"forecasters": ["network", "oracle"]}},
    "no network": {"fallback": FORECASTERS | {"forecasters": ["naive", "network"]}},
    "no weights": {"fallback": {"forecasters": ["network"]}},
}
DAMAGES = {
    **{f"residuals: {name}": ("residuals.npy", content) for name, content in RESIDUALS.items()},
    **{f"preprocessing: {name}": ("preprocessing.json", values) for name, values in PREPROCESSING.items()},
    **{f"calibration: {name}": ("calibration.json", values) for name, values in CALIBRATIONS.items()},
    **{
        f"{name}: {kind}": (name, content)
        for name in ("preprocessing.json", "calibration.json")
        for kind, content in {"a list": b"[]", "deep": b"[" * 100_000, "cut": b"{", "binary": b"\xff\xfe"}.items()
    },
    "config: not UTF-8": ("config.yaml", "# Größe\ndata: {}".encode("latin-1")),
    "config: binary": ("config.yaml", b"\0\1"),
    "config: 5 MB of comments": ("config.yaml", b"#\n" * 2_500_000),
    "encode.onnx: empty": ("encode.onnx", b""),
    "decode.onnx: text": ("decode.onnx", b"not a graph"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_unfit_content_is_refused_with_its_file(version, damage):
    name, content = DAMAGES[damage]
    if isinstance(content, bytes):
        replace_file(version, name, content)
    else:
        edit_json(version, name, **content)
    with pytest.raises(RunError, match=re.escape(str(version)) + ("" if name == "config.yaml" else f"/{name}")):
        forecast(version)


CHANGED_CONFIGS = {
    "a longer window": ("length: 12", "length: 13"),
    "a shorter horizon": ("horizon: 6", "horizon: 5"),
    "another head": ("head: point", "head: normal"),
    "another decoder": ("decoder: rollout", "decoder: dense"),
    "an ensemble": ("ensemble: null", "ensemble: {size: 3}"),
}


@pytest.mark.parametrize("change", CHANGED_CONFIGS)
def test_a_config_of_another_network_is_refused(version, change):
    edit_text(version, "config.yaml", *CHANGED_CONFIGS[change])
    with pytest.raises(RunError, match=re.escape(str(version))):
        forecast(version)


def test_swapped_graphs_are_refused(version):
    encode, decode = ((version / name).read_bytes() for name in ("encode.onnx", "decode.onnx"))
    replace_file(version, "encode.onnx", decode)
    replace_file(version, "decode.onnx", encode)
    with pytest.raises(RunError, match="encode.onnx"):
        forecast(version)


@pytest.mark.parametrize("last", ["yesterday", "", None, [], 10**30, "2026-01-01T00:00:00+09:00"])
def test_an_unfit_end_of_training_is_refused(version, last):
    edit_json(version, "preprocessing.json", trained_until={"load": last})
    with pytest.raises(RunError, match="preprocessing.json"):
        evaluate(load_version(version.parent.parent))


# Hostile graphs.


def tensor(name, values):
    return onnx.numpy_helper.from_array(np.asarray(values), name)


def body_of(*nodes, condition="go"):
    """The graph of a loop that carries one value and never asks to stop."""
    return helper.make_graph(
        [*nodes, helper.make_node("Identity", [condition], ["go_on"]), helper.make_node("Identity", ["in"], ["out"])],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("in", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("out", TensorProto.FLOAT, None),
        ],
    )


def loop(count, *nodes):
    return helper.make_node("Loop", [count, "yes", "window"], ["looped"], body=body_of(*nodes))


def scan(*nodes, shape="cut", inputs=1, axis=1):
    """A scan over the window in one shape, which carries nothing; and the reshape before it."""
    body = helper.make_graph(
        [*nodes, helper.make_node("Identity", ["in"], ["out"])],
        "body",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
    )
    scanned = helper.make_node(
        "Scan", ["reshaped"], ["scanned"], body=body, num_scan_inputs=inputs, scan_input_axes=[axis]
    )
    return helper.make_node("Reshape", ["window", shape], ["reshaped"]), scanned


def hostile_graph(*nodes, constants=(), **options):
    """The graph of an encoder of 12 steps and 2 states, with further nodes."""
    values = [
        tensor("yes", True),
        tensor("steps", np.int64(12)),
        tensor("many", np.int64(2**62)),
        tensor("start", np.array([0], np.int64)),
        tensor("end", np.array([2], np.int64)),
        tensor("axis", np.array([1], np.int64)),
        tensor("cut", np.array([-1, 12, 1], np.int64)),
        tensor("long", np.array([0, 2**62, 0], np.int64)),
        tensor("as it was", np.array([-1, 0, 1], np.int64)),
    ]
    cut = helper.make_node("Slice", ["window", "start", "end", "axis"], ["state_00"])
    graph = helper.make_graph(
        [*nodes, cut],
        "encode",
        [helper.make_tensor_value_info("window", TensorProto.FLOAT, ["batch", 12])],
        [helper.make_tensor_value_info("state_00", TensorProto.FLOAT, ["batch", 2])],
        [*values, *constants],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8, **options)


def external(name, location):
    """A constant whose values are in another file."""
    constant = tensor(name, np.zeros(4, np.float32))
    onnx.external_data_helper.set_external_data(constant, location)
    constant.ClearField("raw_data")
    return constant


def choice():
    branch = helper.make_graph(
        [helper.make_node("Identity", ["window"], ["chosen"])],
        "branch",
        [],
        [helper.make_tensor_value_info("chosen", TensorProto.FLOAT, None)],
    )
    return helper.make_node("If", ["yes"], ["branched"], then_branch=branch, else_branch=branch)


def in_function():
    node = helper.make_node("Identity", ["a"], ["b"])
    return helper.make_function("own", "f", ["a"], ["b"], [node], [helper.make_opsetid("", 18)])


HOSTILE = {
    "2^62 steps": (hostile_graph(loop("many")), "a loop of 4,611,686,018,427,387,904 steps"),
    "no number of steps": (hostile_graph(loop("")), "a loop without a number of steps"),
    "a number of steps from its input": (
        hostile_graph(helper.make_node("Size", ["window"], ["counted"]), loop("counted")),
        "a loop without a number of steps",
    ),
    "a loop in a loop": (
        hostile_graph(loop("steps", helper.make_node("Loop", ["steps", "yes", "in"], ["x"], body=body_of()))),
        "the operator Loop in a loop",
    ),
    "a loop in a scan": (
        hostile_graph(*scan(helper.make_node("Loop", ["steps", "yes", "in"], ["x"], body=body_of()))),
        "the operator Loop in a loop",
    ),
    "a scan in a loop": (hostile_graph(loop("steps", *scan())), "the operator Scan in a loop"),
    "a scan of nothing": (hostile_graph(*scan(inputs=0)), "a scan without a number of steps"),
    "a scan of an input": (hostile_graph(scan()[1]), "a scan without a number of steps"),
    "a scan along the batch": (hostile_graph(*scan(axis=0)), "a scan without a number of steps"),
    "a scan of 2^62 steps": (hostile_graph(*scan(shape="long")), "a scan of 4,611,686,018,427,387,904 steps"),
    "a scan of an open number of steps": (hostile_graph(*scan(shape="as it was")), "a scan of 0 steps"),
    "a scan of a number of steps from its input": (
        hostile_graph(helper.make_node("Shape", ["window"], ["counted"]), *scan(shape="counted")),
        "a scan without a number of steps",
    ),
    "a choice": (hostile_graph(choice()), "the operator If with a graph"),
    "a function": (hostile_graph(functions=[in_function()]), "functions"),
    "another library's operator": (
        hostile_graph(helper.make_node("Run", ["window"], ["x"], domain="com.example")),
        "the operator Run of com.example",
    ),
    "weights elsewhere": (hostile_graph(constants=[external("w", "/etc/passwd")]), "the weights w in another file"),
    "weights next to it": (hostile_graph(constants=[external("w", "load.csv")]), "the weights w in another file"),
    "weights of a node elsewhere": (
        hostile_graph(helper.make_node("Constant", [], ["w"], value=external("w", "load.csv"))),
        "the weights w in another file",
    ),
    "weights that are no numbers": (
        hostile_graph(constants=[tensor("w", np.full(3, np.nan, np.float32))]),
        "the weights w are not finite",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_graph_is_refused_before_it_is_opened(version, kind, monkeypatch):
    graph, reason = HOSTILE[kind]
    replace_file(version, "encode.onnx", graph.SerializeToString())
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(RunError, match=re.escape(f"encode.onnx: cannot be what training wrote: {reason}")):
        forecast(version)


def test_the_graph_that_the_hostile_ones_are_made_of_is_read(version):
    replace_file(version, "encode.onnx", hostile_graph(loop("steps"), *scan()).SerializeToString())
    (found,) = forecast(version)
    assert np.isfinite(found.mean).all()


def test_damaged_graphs_never_raise_anything_else(version):
    generator = random.Random(5)
    for name in ("encode.onnx", "decode.onnx"):
        whole = (version / name).read_bytes()
        for _ in range(15):
            damaged = bytearray(whole)
            damaged[generator.randrange(len(whole))] = generator.randrange(256)
            replace_file(
                version, name, bytes(damaged[: generator.choice([len(whole), generator.randrange(len(whole))])])
            )
            assert code_of(version) in {0, 6, 7}
        replace_file(version, name, whole)


# Values of JSON files, and files that are none.

UNFIT_VALUES = [
    None,
    True,
    -1,
    0,
    0.5,
    1e308,
    float("nan"),
    float("inf"),
    10**30,
    "",
    "x",
    "\0",
    [],
    [[]],
    {},
    {"a": 1},
]


def places(values, path=()):
    """Every place in JSON values."""
    yield path
    for key, value in (
        values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    ):
        yield from places(value, (*path, key))


def put(values, path, value):
    if not path:
        return value
    copied = values.copy()
    copied[path[0]] = put(copied[path[0]], path[1:], value)
    return copied


@pytest.mark.parametrize("name", ["preprocessing.json", "calibration.json", "manifest.json"])
@pytest.mark.parametrize("run", ["load", "shops"])
def test_no_value_in_a_file_of_a_run_is_unexpected(tmp_path, monkeypatch, name, run):
    monkeypatch.chdir(tmp_path)
    version = copy_run(tmp_path, run)
    generator, values = random.Random(3), json.loads((version / name).read_text())
    found = [place for place in places(values) if place[:1] != ("libraries",)]
    for _ in range(25):
        content = json.dumps(put(values, generator.choice(found), generator.choice(UNFIT_VALUES))).encode()
        if name == "manifest.json":
            (version / name).write_bytes(content)
        else:
            replace_file(version, name, content)
        assert code_of(version) in {0, 4, 6, 7}


KINDS = {
    "a pipe": os.mkfifo,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a pipe": lambda path: (os.mkfifo(f"{path}.pipe"), path.symlink_to(f"{path}.pipe")),
    "a folder": lambda path: path.mkdir(),
    "a loop of links": lambda path: path.symlink_to(path),
    "8 TB of nothing": lambda path: (path.touch(), os.truncate(path, 1 << 43)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["current", "manifest.json", "config.yaml", "residuals.npy", "encode.onnx"])
def test_what_is_no_plain_file_is_refused_without_waiting(version, kind, name):
    path = version.parent.parent / name if name == "current" else version / name
    path.unlink()
    KINDS[kind](path)
    with pytest.raises(RunError):
        forecast(version)


def test_a_listed_size_is_no_reason_to_read_a_huge_file(version):
    path = version / "residuals.npy"
    os.truncate(path, 1 << 43)
    manifest = json.loads((version / "manifest.json").read_text())
    manifest["files"]["residuals.npy"]["size"] = 1 << 43
    (version / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match="manifest.json: damaged"):
        forecast(version)


@pytest.mark.parametrize("name", ["../../outside", "/etc/hostname", "a/../../b", "x\0y"])
def test_a_manifest_lists_no_file_outside(version, name):
    manifest = json.loads((version / "manifest.json").read_text())
    manifest["files"][name] = {"size": 0, "sha256": ""}
    (version / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match="manifest.json: damaged"):
        forecast(version)


@pytest.mark.parametrize("name", ["a" * 300, "x\0y", "../..", "."])
def test_current_names_only_a_version(version, name):
    (version.parent.parent / "current").write_text(name)
    with pytest.raises(RunError, match="which does not exist"):
        forecast(version)


# Weights.


def weights(write):
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        write(file)
    return content.getvalue()


SECRET = np.arange(4, dtype=np.float32)


def store_elsewhere(path):
    def write(file):
        file.create_dataset("a/w", (4,), np.float32, external=[(str(path), 0, 16)])

    return write


def gather_virtually(file):
    layout = h5py.VirtualLayout((4,), np.float32)
    layout[:] = h5py.VirtualSource("other.h5", "w", (4,))
    file.create_virtual_dataset("a/w", layout)


HOSTILE_WEIGHTS = {
    "a link to another file": (lambda file: file.__setitem__("a", h5py.ExternalLink("other.h5", "/")), "are a link"),
    "a link within": (
        lambda file: (file.__setitem__("b", SECRET), file.__setitem__("a/w", h5py.SoftLink("/b"))),
        "are a link",
    ),
    "a virtual array": (gather_virtually, "are in another file, or compressed"),
    "compressed": (
        lambda file: file.create_dataset("a/w", data=SECRET, compression="gzip"),
        "are in another file, or compressed",
    ),
    "compressed 8 GB": (
        lambda file: file.create_dataset("a/w", (1 << 31,), np.float32, compression="gzip", chunks=(1 << 20,)),
        "have the shape|are in another file, or compressed",
    ),
    "empty 8 GB": (lambda file: file.create_dataset("a/w", (1 << 31,), np.float32), "have the shape"),
    "texts": (lambda file: file.__setitem__("a/w", ["x"] * 4), "are no numbers"),
    "a folder": (lambda file: file.create_group("a/w"), "are no numbers"),
    "nothing": (lambda file: None, "no weights a/w"),
    "not finite": (lambda file: file.__setitem__("a/w", SECRET / 0), "are not finite"),
}


@pytest.mark.parametrize("kind", HOSTILE_WEIGHTS)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_hostile_weights_are_refused(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    with h5py.File("other.h5", "w") as file:
        file["w"] = SECRET
    write, reason = HOSTILE_WEIGHTS[kind]
    with open_weights(weights(write)) as file, pytest.raises(ValueError, match=reason):
        file.read("a/w", (4,))


def test_weights_in_another_file_are_not_read(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET.tobytes())
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        store_elsewhere(secret)(file)
    with open_weights(path.read_bytes()) as file, pytest.raises(ValueError, match="are in another file"):
        file.read("a/w", (4,))


def test_damaged_weights_are_a_value_error():
    generator, whole = random.Random(2), weights(lambda file: file.__setitem__("a/w", SECRET))
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(generator.choice([1, 4])):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        cut = bytes(damaged[: generator.choice([len(damaged), generator.randrange(len(damaged))])])
        with contextlib.suppress(ValueError), open_weights(cut) as file:
            file.read("a/w", (4,))


def test_saved_runs_of_every_format_are_read():
    for path in sorted(SAVED.parent.glob("format-*/*/current")):
        assert version_of(path.parent).name == path.read_text().strip()


def replace_by_link(run: Path, path: Path, name: str) -> None:
    """Move a part of a run out of it, and put a link in its place."""
    outside = run.parent / f"outside-{name}"
    path.rename(outside)
    path.symlink_to(outside)


@pytest.mark.parametrize("name", ["current", "manifest.json", "config.yaml", "encode.onnx", "version", "versions"])
def test_no_link_in_a_run_is_followed(version, name):
    run = version.parent.parent
    places = {"current": run / "current", "version": version, "versions": version.parent}
    replace_by_link(run, places.get(name, version / name), name)
    with pytest.raises(RunError, match=r"link|manifest.json: damaged"):
        load_version(run)


def test_a_link_of_a_run_removes_and_writes_nothing_elsewhere(version):
    run = version.parent.parent
    for day in (1, 2):
        shutil.copytree(version, version.parent / f"2026010{day}T000000Z-abcdef")
    replace_by_link(run, version.parent, "versions")
    outside = run.parent / "outside-versions"
    before = sorted(outside.rglob("*"))
    with pytest.raises(RunError):
        forget(run, Retention(last=1))
    with pytest.raises(CannotCreate):
        write_version(run, {"config.yaml": b""}, {})
    assert sorted(outside.rglob("*")) == before


def test_a_run_that_is_itself_reached_by_a_link_is_read(version, tmp_path):
    (tmp_path / "here").symlink_to(version.parent.parent)
    assert load_version(tmp_path / "here").path.name == version.name
