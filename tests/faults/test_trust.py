"""A run asks a server that its config names only where its user trusts it; files are read as before."""

import pytest

from forecaster import database
from forecaster.cli.evaluate import evaluate
from forecaster.cli.future import future
from forecaster.cli.predict import predict
from forecaster.config.database_urls import PASSWORD
from forecaster.errors import ForecasterError, UsageError
from forecaster.problems import Problem
from tests.faults.hostile import copy_run, replace_file

SERVERS = ["postgresql://me@evil.example/db", "mysql+pymysql://evil.example/db", "sqlite://evil.example/x.db"]


@pytest.fixture
def name_database(tmp_path, monkeypatch):
    """A run whose config names a database; returns its folder."""
    monkeypatch.setenv(PASSWORD, "secret")
    version = copy_run(tmp_path)
    text = (version / "config.yaml").read_text()

    def name(url):
        changed = text.replace(f"path: {tmp_path}/load.csv", f"path: {url}").replace("query: null", "query: SELECT 1")
        assert changed.count(url) == 1
        replace_file(version, "config.yaml", changed.encode())
        return version.parent.parent

    return name


@pytest.fixture
def connections(monkeypatch):
    """The URLs that are connected to."""
    asked = []

    def connect(url, feature):
        asked.append(str(url))
        raise UsageError(Problem("not-a-database-url", url))

    monkeypatch.setattr(database, "_create_engine", connect)
    return asked


@pytest.mark.parametrize("verb", [predict, evaluate, future])
@pytest.mark.parametrize("url", SERVERS)
def test_a_server_is_asked_only_by_a_trusted_config(name_database, connections, verb, url):
    run = name_database(url)
    with pytest.raises(UsageError, match="names the database .*; add --trust-config"):
        verb(run)
    assert connections == []
    with pytest.raises(ForecasterError):
        verb(run, trust_config=True)
    assert connections == [url]


def test_other_data_are_read_without_trust(name_database, connections, tmp_path, capsys):
    predict(name_database(SERVERS[0]), data=tmp_path / "load.csv")
    assert len(capsys.readouterr().out.splitlines()) == 1 + 6
    assert connections == []


def test_a_file_of_sqlite_is_read_as_any_file(name_database, connections, tmp_path):
    url = f"sqlite:///{tmp_path}/load.db"
    with pytest.raises(UsageError):
        predict(name_database(url))
    assert connections == [url]
