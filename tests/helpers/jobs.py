"""What the tests of `forecaster.parallel` have done in separate processes, which import this file."""

import logging
import os
import time

from forecaster.errors import Diverged, Interrupted
from forecaster.problems import Problem


def work(job, received):
    """Double a number; fail, stop the process, or wait for a signal by name."""
    logging.getLogger("forecaster").info("job %s", job)
    if job == "fail":
        raise Diverged(Problem("infinite-fill"))
    if job == "die":
        os._exit(9)
    while job == "wait":
        if received:
            raise Interrupted(Problem("interrupted"), received[0])
        time.sleep(0.01)
    return 2 * job
