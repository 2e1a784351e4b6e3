"""Recompute the exchange from the chain and the published evidence, trusting neither its database nor its word."""
