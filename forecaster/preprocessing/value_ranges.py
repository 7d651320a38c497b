"""The numbers that a head, a transform and the bounds of a config allow."""

from collections.abc import Iterator

from forecaster.data.options import Domain


def find_domains(head: str, transform: str, minimum: float | None, maximum: float | None) -> list[Domain]:
    """List the domains of the head, the transform and the bounds of a config."""
    return list(_find_domains(head, transform, minimum, maximum))


def _find_domains(head: str, transform: str, minimum: float | None, maximum: float | None) -> Iterator[Domain]:
    heads = ({"model.head": "normal"}, {"model.head": "student_t"})
    if head == "negative_binomial":
        yield Domain("outside-head", "whole numbers from 0 up", low=0, whole=True, repairs=heads)
    if head == "log_normal":
        yield Domain("outside-head", "numbers above 0", low=0, open=True, repairs=heads)
    code, log1p, none = "outside-transform", {"data.transform": "log1p"}, {"data.transform": "none"}
    match transform:
        case "log" | "boxcox":
            repairs = (log1p, none)
            yield Domain(code, "numbers above 0", low=0, open=True, transform=transform, repairs=repairs)
        case "log1p":
            yield Domain(code, "numbers from 0 up", low=0, transform=transform, repairs=(none,))
        case "logit" if minimum is not None and maximum is not None:
            what = f"numbers between {minimum:g} and {maximum:g}, both excluded"
            yield Domain("outside-logit", what, minimum, maximum, open=True)
    if minimum is not None and transform != "logit":
        yield Domain("outside-bounds", f"numbers from data.minimum, {minimum:g}, up", low=minimum)
    if maximum is not None and transform != "logit":
        yield Domain("outside-bounds", f"numbers up to data.maximum, {maximum:g}", high=maximum)
