"""What twenty jobs that only predict cost in one `forecast run`, next to twenty `forecast predict` one by one.

Both forecast the same twenty CSVs with the same runs, and write the same files. Seconds and CPU seconds include all
processes. Run as `.venv/bin/python benchmarks/reliability/twenty_jobs.py`.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = Path(__file__).parents[2] / "tests" / "runs" / "format-4"
COMMAND = [sys.executable, "-m", "forecaster"]


def prepare_folder(folder: Path, jobs: int) -> None:
    """Write a jobs file, and the data and the run of each job."""
    entries = []
    for number in range(jobs):
        name = f"load-{number:02d}"
        shutil.copytree(RUNS / "load", folder / "runs" / name)
        shutil.copy(RUNS / "load.csv", folder / f"{name}.csv")
        entries.append(f"  - {{name: {name}, data: {name}.csv, output: out/{name}.csv}}\n")
    (folder / "jobs.yaml").write_text("defaults: {do: predict}\njobs:\n" + "".join(entries))


def measure(commands: list[list[str]], folder: Path) -> tuple[float, float]:
    """Run commands one after another; return seconds and CPU seconds."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    for command in commands:
        subprocess.run([*COMMAND, *command], cwd=folder, check=True, stdin=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the seconds of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    together, alone = [], []
    for _ in range(options.repeat):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            prepare_folder(folder, options.jobs)
            together.append(measure([["run", "jobs.yaml"]], folder))
            names = [path.stem for path in sorted(folder.glob("load-*.csv"))]
            commands = [["predict", f"runs/{n}", "--data", f"{n}.csv", "--output", f"{n}.out.csv"] for n in names]
            alone.append(measure(commands, folder))
            for each in names:
                assert (folder / "out" / f"{each}.csv").read_bytes() == (folder / f"{each}.out.csv").read_bytes(), each
    print(f"{options.jobs} jobs, best of {options.repeat}          seconds      CPU")
    rows = {"forecast run": together, "forecast predict, one by one": alone}
    best = {label: [min(column) for column in zip(*times, strict=True)] for label, times in rows.items()}
    for label, (wall, processor) in best.items():
        print(f"{label:30}{wall:9.2f}{processor:9.2f}")
    (wall, processor), (wall_alone, processor_alone) = best.values()
    print(f"{'ratio':30}{wall_alone / wall:9.1f}{processor_alone / processor:9.1f}")


if __name__ == "__main__":
    main()
