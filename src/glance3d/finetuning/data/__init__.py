"""Batches of training from photo sets."""
