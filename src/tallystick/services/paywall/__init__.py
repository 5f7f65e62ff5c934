"""A price on HTTP: `asgi.Paywall` puts one on any ASGI application, `gate` is what it and the gateway share.

Any stock client of x402 version 2 can pay. docs/agents/payments.md shows how; the room `agents.payments` decides.
"""

from __future__ import annotations
