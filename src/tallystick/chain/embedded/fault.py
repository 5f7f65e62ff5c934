"""What a JSON-RPC method answers instead of a result."""

from __future__ import annotations

from tallystick.core.errors import Rejected

# https://www.jsonrpc.org/specification and https://ethereum.github.io/execution-apis
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL = -32603
SERVER = -32000
REVERTED = 3


class RpcFault(Rejected):
    """The ledger, acting as a node, refuses a request; `number`, `message` and `data` are what a real node says."""

    def __init__(self, number: int, message: str, *, place: str = "rpc.refused", data: object = None) -> None:
        super().__init__(place, message)
        self.number = number
        self.data = data

    def to_rpc(self) -> dict[str, object]:
        """Return the JSON-RPC error object."""
        error: dict[str, object] = {"code": self.number, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return error
