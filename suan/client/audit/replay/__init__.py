"""The Market's history folded from its logs and calldata, every step held against the rules."""
