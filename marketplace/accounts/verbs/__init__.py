"""Verbs of accounts by group; others call them through `marketplace.accounts.actions`."""
