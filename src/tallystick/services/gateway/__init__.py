"""The inference gateway: Open Inference Protocol v2 over HTTP, a signed ticket with every prediction.

Start with `server.serve`; docs/spec/gateway.md is what clients rely on, `services/client.py` one that relies on it.
"""

from tallystick.services.gateway.app import Deployment
from tallystick.services.gateway.heads import Anchorer, Cadence
from tallystick.services.gateway.server import serve

__all__ = ["Anchorer", "Cadence", "Deployment", "serve"]
