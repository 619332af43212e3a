"""Plain network parts that know nothing of three dimensions."""
