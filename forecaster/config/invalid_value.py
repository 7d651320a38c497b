"""The error by which a validator of the schema reports a value; pydantic hands it on as it is."""

from typing import Any


class InvalidValue(ValueError):
    """A value that a key does not take.

    Attributes:
        code: of the problem.
        detail: what its sentence needs, but the value itself.
    """

    def __init__(self, expected: str = "", nearest: str = "", code: str = "invalid-value", **detail: Any) -> None:
        super().__init__(expected or code)
        self.code = code
        self.detail = {"expected": expected, "nearest": nearest, **detail}
