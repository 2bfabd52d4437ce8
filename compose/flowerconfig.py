"""Flower's configuration in the image: nobody comes in without the login that was mounted.

Flower reads this file by itself (`--conf`). The login comes from a file, because an environment can be seen by whoever may
look at the container.
"""

import sys
from pathlib import Path

_LOGIN = Path("/etc/headrace/flower/login")

try:
    _found = _LOGIN.read_text(encoding="utf-8").strip()
except OSError as error:
    sys.exit(f"error: no login for Flower: {_LOGIN}: {error.strerror}. Mount a file there that holds user:password.")
if not all(_found.partition(":")[::2]):
    sys.exit(f"error: {_LOGIN} must hold user:password, and neither may be empty.")

basic_auth = [_found]
