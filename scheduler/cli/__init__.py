"""The command line: `scheduler submit|check|status|watch|pause|resume|throttle|cancel|verify|resync|ddl|catalog|sql|peek`.

Laws of this room:

- The CLI holds nothing and decides nothing for a running job: it writes one `Wanted` record, and looks.
- Results go to stdout; progress, notes and errors go to stderr. With `--json` both are JSON.
- Every HeadraceError ends as one message (what, where, hint) and the exit code of `exits`; a secret is never printed.

Map, in the order of reading:

    exits      exit codes: the one table
    output     where results, notes and errors go
    group      the click group that turns errors into messages and exit codes
    options    options that several verbs share
    access     opens Kafka, Redis and the preflight; tests put fakes in its place
    jobs       the registry as the verbs see it
    stored     a job's state topic, read without a leader
    picture    all that is known of one job at one moment (pure); `observer` takes it
    pace       rows/s, time left, who is missing (pure)
    views      tables and bars for people
    draft      job file -> checked draft; `ownership` knows whose topics are whose
    follow     watching a job until it is done
    tables     the tables of jobs, for the console
    reading    bars while topics are read
    answers    rows and changes as text
    prompt     the conversation of `sql`
    verifying  a run of `verify`: its parts, who compares them; `differences` shows it
    submit, check, status, watch, control, throttle, verify, resync, ddl, catalog, sql, peek: the verbs
"""

from scheduler.cli.catalog import catalog
from scheduler.cli.check import check
from scheduler.cli.control import cancel, pause, resume
from scheduler.cli.ddl import ddl
from scheduler.cli.group import cli
from scheduler.cli.peek import peek
from scheduler.cli.resync import resync
from scheduler.cli.sql import sql
from scheduler.cli.status import status
from scheduler.cli.submit import submit
from scheduler.cli.throttle import throttle
from scheduler.cli.verify import verify
from scheduler.cli.watch import watch

__all__ = ["cli"]

for _verb in (submit, check, status, watch, pause, resume, throttle, cancel, verify, resync, ddl, catalog, sql, peek):
    cli.add_command(_verb)
