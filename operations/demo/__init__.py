"""`make demo`: strangers trade real jobs on a market of their own, and what came of it is told."""
