"""Writes docs/problems.md, the table of all problems and notices: `python -m docs.generate_problems`."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from forecaster.problems.message import Message
from forecaster.problems.registry import SECTIONS
from tests.problem_examples import EXAMPLES

PAGE = Path(__file__).with_name("problems.md")

HEAD = """# Problems

All problems and notices by code, made by `make docs` from their messages in `forecaster/problems/` and the examples in
`tests/problem_examples.py`: edit those, not this page.

Every message begins with its place: `file:line`, `file.yaml:line:column` or an option. `--log-format json` prints each
problem as an object with the keys `code`, `where`, `column`, `cells`, `detail`, `repairs` and `message`. So does
`--format json` of `validate`, `evaluate` and `backtest`, in the list `problems` with a `level`, `error` or `note`, and
of `check`, in the list `findings`. Scripts compare codes: they stay the same when a sentence is improved. A repair is a
mapping of YAML keys to values, which `--set` and a YAML take; of several, one is enough. `forecast check` prints
only repairs that it has tried.
"""


def render_page() -> str:
    """Render the whole page."""
    parts = [HEAD]
    for title, messages in SECTIONS.items():
        parts.append("\n".join([f"## {title}", "", "| code | meaning | example |", "|---|---|---|", *_rows(messages)]))
    return "\n".join(f"{part.rstrip()}\n" for part in parts)


def _rows(messages: Mapping[str, Message]) -> Iterator[str]:
    for code, message in messages.items():
        example = str(EXAMPLES[code]).replace("|", "\\|")
        yield f"| `{code}` | {message.description} | {example} |"


if __name__ == "__main__":
    PAGE.write_text(render_page())
