"""Registers the test plugins; fixtures live in tests/plugins, never here."""

pytest_plugins = [
    "tests.plugins.fix_servers",
    "tests.plugins.fix_headrace",
    "tests.plugins.fix_kafka",
    "tests.plugins.fix_alikafka",
    "tests.plugins.fix_built",
    "tests.plugins.fix_helm",
    "tests.plugins.fix_online_ddl",
    "tests.plugins.fix_flower",
]
