"""The secured cluster of three Kafka nodes, for the tests that ask for it; started once a session."""

import os
from collections.abc import Iterator

import pytest
from headrace_local.console import StackError
from headrace_local.kafka import install_kafka
from headrace_local.layout import default_install

from tests.integration.kafka_lab import SecureKafka
from tests.plugins.fix_servers import folder_of


@pytest.fixture(scope="session")
def secure_kafka(pytestconfig: pytest.Config) -> Iterator[SecureKafka]:
    """Three nodes with SASL_SSL and ACLs; what a test kills it starts again."""
    folder = folder_of(pytestconfig).path / "secure"
    folder.mkdir()
    made = SecureKafka(install_kafka(default_install(os.environ)), folder)
    try:
        made.start()
    except StackError as error:
        made.kill()
        pytest.fail(str(error), pytrace=False)
    yield made
    made.kill()
