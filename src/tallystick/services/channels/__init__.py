"""Paid calls over HTTP, a thousand a second: a server that takes calls of channels, and a client that makes them."""
