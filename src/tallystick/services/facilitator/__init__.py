"""A facilitator of x402: it looks at payments, and brings them to their token, for sellers that have no node or no gas.

`server.serve` runs one of ours; `remote.RemoteFacilitator` asks any; `schemes` are for programs on the package x402.
docs/spec/facilitator.md is what clients rely on.
"""

from __future__ import annotations
