"""Problems that many series have, in a few lines."""

from collections import Counter
from collections.abc import Iterable, Iterator

from forecaster.problems.problem import Problem
from forecaster.wording import KEPT, SHOWN

_FIRST = 3  # series whose problem is written out where more than `SHOWN` have it


def condense_problems(problems: Iterable[Problem]) -> list[Problem]:
    """Keep the first problems of each code that many series have, and the names of the other series."""
    every = list(problems)
    counts = Counter(problem.code for problem in every if "series" in problem.detail)
    return list(_skip_repeated(every, {code for code, count in counts.items() if count > SHOWN}))


def _skip_repeated(problems: list[Problem], codes: set[str]) -> Iterator[Problem]:
    """Keep the first problems of some codes, with a problem for the others behind them."""
    names: dict[str, list[str]] = {code: [] for code in codes}
    for each in problems:
        if each.code in codes and "series" in each.detail:
            names[each.code].append(each.detail["series"])
    seen: Counter[str] = Counter()
    for problem in problems:
        if problem.code not in codes or "series" not in problem.detail:
            yield problem
            continue
        seen[problem.code] += 1
        if seen[problem.code] <= _FIRST:
            yield problem
        elif seen[problem.code] == _FIRST + 1:
            others = list(dict.fromkeys(names[problem.code][_FIRST:]))
            detail = {"code": problem.code, "count": len(others), "names": others[:KEPT]}
            yield Problem("same-in-other-series", detail=detail)
