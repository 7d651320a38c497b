"""`python -m forecaster`, the same as the command `forecast`."""

from forecaster.cli import main

if __name__ == "__main__":
    main()
