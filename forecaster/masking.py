"""The password of a database: where it comes from, and how nothing that is said holds one."""

import os
import re

PASSWORD = "FORECAST_SQL_PASSWORD"

# pathlib makes `:/` of `://`. A password may hold blanks, where it does not begin like a port.
IN_URL = re.compile(r"(:/{1,2}[^\s:/@]*):(?:\S*@|(?!\d+(?:[/?:]|$))[^@\n]*@(?:\S*@)?)")
IN_PARAMETER = re.compile(r"(?i)((?:password|passwd|pwd|secret|token)(?:=|%3d))[^\s&;'\"]+")


def masked(text: str) -> str:
    """A text with `***` for each password in a URL, and for that in the environment."""
    text = IN_PARAMETER.sub(r"\1***", IN_URL.sub(r"\1:***@", text))
    password = os.environ.get(PASSWORD)
    return text.replace(password, "***") if password else text
