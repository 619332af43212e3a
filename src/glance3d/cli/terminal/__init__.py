"""What lies between a command and its terminal: signals, streams, lines for a person."""
