"""Runs the code cells of `docs/python.ipynb` without Jupyter; as a script it writes their outputs into it.

python -m docs.run_notebook
"""

import ast
import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parent / "python.ipynb"


def read_cells() -> list[dict[str, Any]]:
    """Read the cells of the notebook."""
    return json.loads(NOTEBOOK.read_text())["cells"]


def run_cells(cells: list[dict[str, Any]]) -> list[str]:
    """Run code cells one after the other in a new folder, and return what each prints, with its last value."""
    namespace: dict[str, Any] = {"DOCS": NOTEBOOK.parent}
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return [_run("".join(cell["source"]), namespace) for cell in cells if cell["cell_type"] == "code"]
        finally:
            os.chdir(before)


def _run(source: str, namespace: dict[str, Any]) -> str:
    """Run one cell, as Jupyter does."""
    tree, printed = ast.parse(source), io.StringIO()
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "cell", "exec"), namespace)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)
            if value is not None:
                print(repr(value))
    return printed.getvalue()


def write_outputs() -> None:
    """Write the outputs of all code cells into the notebook."""
    notebook = json.loads(NOTEBOOK.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, (cell, text) in enumerate(zip(code, run_cells(notebook["cells"]), strict=True), 1):
        lines = text.splitlines(keepends=True)
        cell["execution_count"] = number
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": lines}] if lines else []
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write_outputs()
