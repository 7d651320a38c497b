"""Kills and disk errors at every file operation of publishing, promoting, storing and writing outputs.

    .venv/bin/python benchmarks/reliability/kills.py

Each operation is done in a forked process that is killed with SIGKILL at its first, second, third, ... write, sync,
rename or removal; or killed when half of a write is done; or met by ENOSPC from there on, or by EIO once. Then a reader
looks at everything: it finds the old state or the new one, and nothing is lost; and the operation, done once more,
finishes and leaves nothing behind. shim.c has the faults; it needs a C compiler and Linux.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from faults import KINDS, Counts, inject_all, restart_with_shim
from operations import list_operations


def main() -> None:
    """Try all faults and print the counts; the exit code is 1 where anything was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list_operations(), help="an operation; repeatable")
    parser.add_argument("--kind", action="append", choices=KINDS, help="a kind of fault; repeatable")
    parser.add_argument("--every", type=int, default=1, help="try every n-th file operation")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    options = parser.parse_args()
    restart_with_shim()
    found = {
        (name, kind): _count(name, kind, options.every)
        for name in options.only or list_operations()
        for kind in options.kind or KINDS
    }
    if options.json:
        print(json.dumps([{"operation": name, "kind": kind, **vars(each)} for (name, kind), each in found.items()]))
    else:
        _print(found)
    sys.exit(any(each.violations for each in found.values()))


def _count(name: str, kind: str, every: int) -> Counts:
    memory = Path("/dev/shm")  # faults are those of the library; a real disk would add its waiting
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        return inject_all(list_operations()[name], kind, every, Path(folder))


def _print(found: dict[tuple[str, str], Counts]) -> None:
    print("| operation | fault | points | old | new | violations |")
    print("|---|---|---|---|---|---|")
    for (name, kind), each in found.items():
        print(f"| {name} | {kind} | {each.points} | {each.old} | {each.new} | {len(each.violations)} |")
    every = found.values()
    print(f"\n{sum(each.points for each in every):,} faults, {sum(len(each.violations) for each in every)} violations")
    for each in every:
        print("".join(f"{line}\n" for line in each.violations[:10]), end="")


if __name__ == "__main__":
    main()
