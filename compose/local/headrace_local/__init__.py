"""Real MySQL, Kafka and Valkey on one Linux machine, without containers.

For development, the integration tests and the quick start. This package uses the standard library
only, so that it runs with any Python 3.11 before headrace itself is installed; it never imports
headrace. `compose/local/stack.py` is its command line, `tests/plugins/fix_servers.py` its other user.
"""
