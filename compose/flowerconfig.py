"""Flower's configuration for headrace: nobody comes in without the login, and tasks show what they are about.

Flower reads this file by itself (`--conf`). The login comes from a file, because an environment can be seen by whoever may
look at the container.
"""

import os
import sys
from pathlib import Path

_LOGIN = Path(os.environ.get("FLOWER_LOGIN_FILE") or "/etc/headrace/flower/login")

try:
    _found = _LOGIN.read_text(encoding="utf-8").strip()
except OSError as error:
    sys.exit(
        f"error: no login for Flower: {_LOGIN}: {error.strerror}. Put a file there that holds user:password, "
        "or name another one in FLOWER_LOGIN_FILE."
    )
if not all(_found.partition(":")[::2]):
    sys.exit(f"error: {_LOGIN} must hold user:password, and neither may be empty.")

basic_auth = [_found]

# Flower itself hides arguments and results.
tasks_columns = "state,args,result,runtime,worker,received,name,uuid"


def format_task(task):  # noqa: ANN001, ANN201, D103 - Flower's own
    # A task that failed has no result, but perhaps a last word on its progress.
    if task.state == "FAILURE":
        task.result = task.exception
    return task
