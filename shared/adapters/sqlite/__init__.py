"""SQLite by the standard library: holds that outgrow memory move into a temporary file."""
