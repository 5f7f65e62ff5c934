"""An HTTP client that pays: `transport.PayingTransport` under httpx, `schemes` for programs on the package x402.

Any stock server of x402 version 2 can be paid. The purse of the room `agents.payments` decides and remembers.
"""

from __future__ import annotations
