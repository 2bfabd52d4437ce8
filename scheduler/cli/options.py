"""Options that several verbs share, so that they read the same everywhere."""

from __future__ import annotations

import click

as_json = click.option(
    "--json", "json", is_flag=True, help="Print JSON on stdout, and notes and errors as JSON on stderr."
)

variables = click.option(
    "--var",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="Value of the placeholder #{NAME}, for this command only; else HEADRACE_VAR_<NAME> or a file in "
    "HEADRACE_VARS_DIR. Workers never see it: they need the variable or the file themselves.",
)

job_file = click.argument("file", metavar="JOB.yaml", type=click.Path(allow_dash=True))

job = click.argument("job", metavar="JOB")
