"""What all programs of headrace agree on: a library with a fixed list of rooms (docs/architecture.md)."""
