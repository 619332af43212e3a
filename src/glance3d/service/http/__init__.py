"""What clients see: the page, the interface for programs, and that of NodeODM."""
