"""An audit's memory on disk."""
