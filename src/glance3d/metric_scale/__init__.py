"""From arbitrary units to metres, with the error that it is worth."""
