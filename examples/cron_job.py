"""A cron job: nobody is there to be asked, so a policy file answers; one log line, and an exit code that cron sees.

    0 7 * * *  python examples/cron_job.py /etc/toolwright/policy.toml "What is 100 USD in ILS?" >> rates.log 2>&1

The policy file says beforehand what tools may do, such as

    [[rule]]
    action = "allow"
    hosts = ["api.frankfurter.dev"]

Whatever it does not allow is denied, and the log says which lines would allow it. A run that was cut short is gone on
with: nothing that was paid for is paid for again. Exit codes: 0 done, 3 a part is left undone, 5 the model failed.
"""

import logging
import sys
from pathlib import Path

from toolwright import RunResult, Toolwright, ToolwrightError

log = logging.getLogger("cron_job")
EXIT = {"complete": 0, "incomplete": 3, "needs-approval": 8, "failed": 5, "cancelled": 130}


def work(policy: Path, task: str) -> RunResult:
    with Toolwright(policy=policy, approve=None, max_new_tools=2) as tw:
        result = tw.run(task)
        if result.status == "failed":  # the provider had a bad minute: go on where it stood, once
            result = tw.run(resume=result.run_id)
        return result


def main() -> int:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    log.setLevel(logging.INFO)  # ours alone: the libraries below would log each request
    if len(sys.argv) < 3:
        log.error("usage: cron_job.py POLICY_FILE TASK")
        return 2
    policy, task = Path(sys.argv[1]), " ".join(sys.argv[2:])
    try:
        result = work(policy, task)
    except ToolwrightError as error:  # no model, no such policy file: says what and the cure
        log.error("%s", error)
        return error.exit_code
    log.info("%s run=%s made=%s answer=%r", result.status, result.run_id, list(result.made), result.output)
    if result.reason:
        log.warning("%s", result.reason)
    return EXIT[result.status]


if __name__ == "__main__":
    sys.exit(main())
