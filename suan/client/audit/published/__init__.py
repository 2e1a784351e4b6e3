"""Published evidence against the replayed history: orders, auctions, receipts, re-runs."""
