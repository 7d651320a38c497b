"""The command `forecast`: one file per verb, whose body is a lazy import and a call.

- `main`: the verbs, and the message and exit code of each error
- `options`: arguments and options that several verbs share
- `console`: results on stdout, messages on stderr
- `refusals`: what `train` and `init` print of a file that they refuse
- `signals`: Ctrl-C and SIGTERM
"""

from forecaster.cli.main import main

__all__ = ["main"]
