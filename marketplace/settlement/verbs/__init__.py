"""Verbs of settlement by group; others call them through `marketplace.settlement.actions`."""
