"""Verbs of the book by group; others call them through `marketplace.book.actions`."""
