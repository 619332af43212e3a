"""Adapters: small files that change what a network's linear layers do (LoRA), in peft's format.

``layers`` puts them into a network and merges them into its weights, ``files`` reads and writes
them, ``record`` says which one is in a network.
"""
