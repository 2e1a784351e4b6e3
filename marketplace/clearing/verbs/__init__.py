"""Verbs of clearing by group; others call them through `marketplace.clearing.actions`."""
