"""Groups of options that several commands share: each is a panel of ``--help``."""
