"""Policies: the keys of a run's config that may differ for one prediction, since no network depends on them."""

from collections.abc import Sequence

from forecaster.config.load import load_values
from forecaster.config.reader import find_nearest_name
from forecaster.config.schema import Checks, Config
from forecaster.errors import ConfigError, UsageError
from forecaster.problems import Problem

# How the rows of a file become the series that the network was trained on, and how the file is written.
POLICIES = (
    *(f"data.{name}" for name in ("gaps", "max_gap", "late", "last_bar", "duplicates", "invalid_values", "na_values")),
    *(f"data.{name}" for name in ("tolerance", "holidays", "skip", "encoding", "delimiter", "decimal", "thousands")),
    *(f"data.{name}" for name in ("header", "unit", "comment", "date_order", "time_format", "where")),
    *(f"checks.{name}" for name in Checks.model_fields),
    "forecast.reconcile",
)


def is_policy(key: str) -> bool:
    """Whether a dotted key, or the one that it is inside, may differ for one prediction."""
    return any(key == policy or key.startswith(f"{policy}.") for policy in POLICIES)


def override_policies(config: Config, overrides: Sequence[str]) -> Config:
    """Replace policies of a run's config by those of `--set`; everything else stays.

    Raises:
        UsageError: an override names another key; lists those that may be set.
        ConfigError: a value is not one of its key.
    """
    if not overrides:
        return config
    for assignment in overrides:
        key = assignment.partition("=")[0].strip()
        if not is_policy(key):
            nearest = find_nearest_name(key, POLICIES)
            detail = {"key": key, "nearest": nearest, "policies": POLICIES}
            raise UsageError(Problem("not-a-policy", f"--set {assignment}", detail=detail))
    loaded = load_values(config.model_dump(), "config.yaml", overrides)
    if loaded.problems:
        raise ConfigError(loaded.problems)
    forecast = config.forecast.model_copy(update={"reconcile": loaded.config.forecast.reconcile})
    return config.model_copy(update={"data": loaded.config.data, "checks": loaded.config.checks, "forecast": forecast})
