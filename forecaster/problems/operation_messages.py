"""Messages about pings and schedules."""

from collections.abc import Mapping

from forecaster.problems.message import Message

OPERATIONS: Mapping[str, Message] = {
    "no-ping-variable": Message(
        "not set in the environment, so that no ping was sent; set it to the URL of the check",
        "A jobs file names a variable with the URL to ping, and the process does not have it.",
    ),
    "not-a-ping-url": Message(
        "not a URL that can be pinged; use one such as https://hc-ping.com/UUID", "Pings are HTTP or HTTPS."
    ),
    "ping-failed": Message(
        "a ping failed: {reason}; the jobs are not affected", "The monitor could not be reached, or refused a ping."
    ),
    "no-time-limit": Message(
        "{names:list} {names:has|have} no time limit, so that one that hangs blocks every later run; add timeout: 1h "
        "to defaults",
        "A schedule should end a job that hangs.",
    ),
    "unschedulable-path": Message(
        "{name} cannot hold the character {letter!r}; rename the folder",
        "A path with this character cannot be scheduled.",
    ),
    "no-crontab": Message(
        "--install needs the command crontab, which is not on PATH; install cron, or use --format systemd",
        "Cron is not installed.",
    ),
    "crontab-failed": Message(
        "the command crontab failed: {reason}; the crontab was not changed",
        "Cron refuses to print or replace the table.",
    ),
    "unit-of-others": Message(
        "exists and was not written for {jobs_file}; move it away",
        "A unit of systemd with this name belongs to others.",
    ),
}
