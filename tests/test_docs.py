"""README and docs: every file, make target, verb, option and link that they name exists, and every verb is in README."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from forecaster.cli.main import app
from tests.helpers.command import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
FOLDERS = ("forecaster", "tests", "benchmarks", "configs", "docs")
FILES = [path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).rglob("*.*")]
COMMANDS = typer.main.get_command(app).commands
SPAN = re.compile(r"`([^`\n]+)`")


def _code(page: Path) -> Iterator[tuple[str, str]]:
    """Each piece of code of a page, an indented or fenced line or a span, as (line, code)."""
    fenced = False
    for line in page.read_text().splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced:
            yield line, line.split("  #")[0]
        else:
            yield from ((line, span) for span in SPAN.findall(line))


def _python_files(code: str) -> list[str]:
    return re.findall(r"(?<![\w/.*<>{}-])([\w./-]*\w\.py)(?![\w/])", code)


def _find(name: str) -> list[str]:
    """The files of the project whose path ends as `name` does."""
    return [path for path in FILES if f"/{path}".endswith(f"/{name}")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_file_exists(page: Path):
    named = {name for _, code in _code(page) for name in _python_files(code)}
    assert sorted(name for name in named if not _find(name)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_function_exists_in_the_file_of_its_line(page: Path):
    missing = []
    for line in page.read_text().splitlines():
        spans = SPAN.findall(line)
        files = [path for span in spans for name in _python_files(span) for path in _find(name)]
        functions = [span[:-2].split(".")[-1] for span in spans if re.fullmatch(r"[\w.]+\(\)", span)]
        text = "\n".join((ROOT / path).read_text() for path in files)
        missing += [name for name in functions if files and not re.search(rf"(def|class) {name}\b", text)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_exists(page: Path):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for _, code in _code(page) for name in re.findall(r"^\s*make ([a-z][\w-]*)", code)}
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_verb_and_option_exists(page: Path):
    unknown = []
    for _, code in _code(page):
        for verb, rest in re.findall(r"(?:^|[\s/])forecast ([a-z]+)\b([^;|&]*)", code):
            if verb not in COMMANDS:
                unknown.append(f"forecast {verb}")
                continue
            known = {"--help", *(option for each in COMMANDS[verb].params for option in each.opts)}
            named = re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", rest)
            unknown += [f"forecast {verb} {option}" for option in named if option not in known]
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path) if path else page
        if not linked.exists() or (anchor and anchor not in _anchors(linked)):
            broken.append(target)
    assert broken == []


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_architecture_shows_the_layers_of_the_import_contracts():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [layer.split(" | ") for contract in contracts for layer in contract.get("layers", ())]
    lines = [re.split(r"\s{3,}", line) for line in (ROOT / "docs" / "architecture.md").read_text().splitlines()]
    shown = [line for line in lines if any(line[: len(layer)] == layer for layer in layers)]
    assert [line[: len(layer)] for line, layer in zip(shown, layers, strict=True)] == layers


def test_readme_names_every_verb():
    named = set(re.findall(r"[a-z]+", " ".join(SPAN.findall((ROOT / "README.md").read_text()))))
    assert set(COMMANDS) - named == set()


def test_readme_stays_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


def test_readme_quotes_what_check_prints(forecast, tmp_path: Path):
    header, *rows = (ROOT / "configs" / "data" / "airline.csv").read_text().splitlines()
    rows[8] = f"{rows[8].split(',')[0]},n.a."  # line 10
    (tmp_path / "sales.csv").write_text("\n".join([header, *rows[:18], *rows[19:]]) + "\n")
    printed = forecast("check", "sales.csv", cwd=tmp_path).stdout
    blocks = re.findall(r"^```\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    error, _, lines = next(block for block in blocks if block.startswith("error: sales.csv")).partition("\n")
    assert error in printed.splitlines()
    assert f"\n{lines}" in printed
