"""Many scenes: their list, the ledger, workers of one machine and of many."""
