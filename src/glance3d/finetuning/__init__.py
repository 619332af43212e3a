"""Fine-tuning of known networks on photo sets, with guards that say whether it helped."""
