"""`make chaos`: a storm over a market in trade, and what must hold afterwards."""
