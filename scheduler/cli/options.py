"""Options that several verbs share, so that they read the same everywhere."""

from __future__ import annotations

import click

from scheduler.flink import Engine

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

name = click.option("--name", metavar="NAME", help="Name of the job; else pipeline.name, else the name of the file.")

job_file = click.argument("file", metavar="JOB.yaml", type=click.Path(allow_dash=True))

job = click.argument("job", metavar="JOB")

engine = click.option(
    "--engine",
    type=click.Choice([one.value for one in Engine]),
    default=Engine.APACHE.value,
    show_default=True,
    help="Whose Flink: `apache` is plain Flink SQL, `vvr` has options that only Alibaba's Flink knows.",
)

key_prefix = click.option("--key-prefix", default="key_", show_default=True, help="In front of the key's columns.")

value_prefix = click.option(
    "--value-prefix", default="value_", show_default=True, help="In front of the value's columns."
)
