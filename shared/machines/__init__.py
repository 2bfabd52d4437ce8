"""State machines without I/O. Input and time come as arguments, intents are the result: no clock, socket or log here."""
