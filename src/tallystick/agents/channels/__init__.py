"""Payment channels: a deposit on chain, then a signature for each call."""
