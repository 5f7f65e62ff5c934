"""Why a node said no, sorted by who must act.

A revert becomes `Rejected` whose code is the contract's reason string; a node that is behind, busy or broken becomes
`Unavailable`; a method or parameter that it does not accept becomes `InvalidInput`. Nodes agree on revert data and on
little else, so the messages of geth, anvil, Nethermind, Besu, Erigon, reth and our own ledger are matched by pattern.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tallystick.core.errors import InvalidInput, Rejected, TallystickError, Unavailable
from tallystick.core.limits import REASON_CHARS_MAX

ERROR_SELECTOR = bytes.fromhex("08c379a0")  # Error(string), what `assert …, "reason"` reverts with
PANIC_SELECTOR = bytes.fromhex("4e487b71")  # Panic(uint256), what Solidity's own checks revert with

_EXECUTES = frozenset({"eth_call", "eth_estimateGas", "eth_createAccessList"})

_PANICS = {
    0x01: "an assertion failed",
    0x11: "arithmetic overflow",
    0x12: "division by zero",
    0x21: "no such enum member",
    0x22: "storage byte array is malformed",
    0x31: "pop from an empty array",
    0x32: "index out of bounds",
    0x41: "too much memory",
    0x51: "call of an uninitialised function",
}

# First match wins. What a node says about a transaction it is offered.
_SEND: tuple[tuple[str, str, str], ...] = (
    (r"already known|known transaction|already imported|already exists|AlreadyKnown", "chain.already_known", ""),
    (r"nonce.{0,20}too low|nonce has already been used|OldNonce|invalid nonce.*lower", "chain.nonce_too_low", ""),
    (r"nonce.{0,20}too high|nonce gap|NonceTooDistant|invalid nonce.*higher", "chain.nonce_too_high", ""),
    (
        r"replacement.{0,30}underpriced|ReplacementNotAllowed|could not replace",
        "chain.replacement_underpriced",
        "raise tip and cap by an eighth or more",
    ),
    (
        r"underpriced|fee.{0,40}(too low|less than block base fee|below)|FeeTooLow|max fee per gas less than",
        "chain.underpriced",
        "raise the fee cap above the block's base fee",
    ),
    (r"insufficient (funds|balance)|InsufficientFunds|upfront cost", "chain.insufficient_funds", "fund the account"),
    (r"exceeds (the )?block gas limit|gas limit too high|ExceedsGasLimit|gas limit reached", "chain.gas_too_high", ""),
    (r"intrinsic gas|gas too low|floor data gas", "chain.gas_too_low", ""),
    (r"chain.?id|replay.protected", "chain.wrong_chain", ""),
)

# What a node says about any request; (pattern, class, code, hint).
_ANY: tuple[tuple[str, type[TallystickError], str, str], ...] = (
    (
        r"rate limit|too many requests|limit exceeded|request rate|throttl",
        Unavailable,
        "rpc.rate_limited",
        "wait, or use a node of your own",
    ),
    (
        r"out ?of ?range|header not found|unknown block|block not found|missing trie node|not available"
        r"|historical state|state .{0,40}(pruned|unavailable)|does not exist at block|beyond current head"
        r"|indexing is in progress",
        Unavailable,
        "rpc.block_unknown",
        "the node is behind, has pruned that block, or a reorganisation removed it",
    ),
    (r"timeout|timed out|busy|temporar|try again|internal error|server error", Unavailable, "rpc.failed", "try again"),
)

_REVERT = re.compile(r"revert", re.IGNORECASE)
_VM = re.compile(
    r"invalid (opcode|jump)|InvalidJump|InvalidFEOpcode|out ?of ?gas|gas required exceeds|stack (under|over)flow"
    r"|StackUnderflow|StackOverflow|EVM error|vm (execution )?error|bad instruction|write protection"
    r"|StateChangeDuringStaticCall|max code size|CreateContractSizeLimit|CreateCollision"
    r"|contract address collision|OutOfOffset",
    re.IGNORECASE,
)


def rejection_of_revert(data: bytes) -> Rejected:
    """Build the error for revert data: its code is the reason string where there is one.

    returns  Rejected "<reason>" for Error(string); "chain.panic" for Panic(uint256); "chain.reverted" with the data
             as `got` for anything else, including none
    """
    if data[:4] == ERROR_SELECTOR:
        reason = _read_abi_string(data[4:])
        if reason is not None:
            return Rejected(reason, f"the contract refused: {reason}")
    if data[:4] == PANIC_SELECTOR and len(data) == 36:
        number = int.from_bytes(data[4:], "big")
        return Rejected("chain.panic", f"the contract panicked: {_PANICS.get(number, 'unknown')} (0x{number:02x})")
    if not data:
        return Rejected("chain.reverted", "the contract reverted without a reason")
    return Rejected(
        "chain.reverted",
        "the contract reverted with data that is not a reason string",
        expected="Error(string)",
        got="0x" + data.hex()[: 2 * REASON_CHARS_MAX],
    )


def error_of_answer(method: str, error: object) -> TallystickError:
    """Build the error for the `error` member of a JSON-RPC answer to `method`; any value is accepted."""
    code, message, data = _read_error(error)
    if method in _EXECUTES:
        if data is not None and (data or code == 3 or _REVERT.search(message)):
            return rejection_of_revert(data)
        if code == 3 or _REVERT.search(message):
            return _rejection_of_message(message)
        if _VM.search(message):
            return Rejected("chain.vm_error", f"execution failed: {message}")
    if method in _EXECUTES or method == "eth_sendRawTransaction":
        for pattern, name, hint in _SEND:
            if re.search(pattern, message, re.IGNORECASE):
                return Rejected(name, f"the node refused the transaction: {message}", hint=hint)
    if code == -32601 or re.search(r"method .{0,80}(not|un)|(not |un).{0,20}method", message, re.IGNORECASE):
        return _unknown_method(method, message)
    for pattern, kind, name, hint in _ANY:
        if re.search(pattern, message, re.IGNORECASE):
            return kind(name, f"the node could not answer {method}: {message}", hint=hint)
    if code in (-32602, -32600):
        return InvalidInput("rpc.refused", f"the node does not accept {method}: {message}")
    if code == -32603:
        return Unavailable("rpc.failed", f"the node failed on {method}: {message}", hint="look at the node's own log")
    return Rejected("rpc.refused", f"the node refused {method}: {message}")


def printable(text: str) -> str:
    """Return at most 256 characters of `text`, with control and formatting characters replaced by `?`."""
    cut = text if len(text) <= REASON_CHARS_MAX else text[: REASON_CHARS_MAX - 1] + "…"
    return "".join(c if c.isprintable() else "?" for c in cut)


def _unknown_method(method: str, message: str) -> InvalidInput:
    hint = "use a node that offers this method"
    return InvalidInput("rpc.method_unknown", f"the node does not offer {method}: {message}", hint=hint)


def _rejection_of_message(message: str) -> Rejected:
    # Some nodes send the reason only in prose: "execution reverted: registry: unknown parent".
    match = re.search(r"revert(?:ed)?(?: with reason string)?:? ['\"]?(.+?)['\"]?$", message, re.IGNORECASE)
    if match is None or match[1].startswith("0x"):
        return Rejected("chain.reverted", "the contract reverted without a reason")
    return Rejected(match[1], f"the contract refused: {match[1]}")


def _read_abi_string(body: bytes) -> str | None:
    if len(body) < 64 or int.from_bytes(body[:32], "big") != 32:
        return None
    length = int.from_bytes(body[32:64], "big")
    raw = body[64 : 64 + length]
    if len(raw) != length:
        return None
    return printable(raw.decode("utf-8", "replace")) or None


def _read_error(error: object) -> tuple[int, str, bytes | None]:
    if not isinstance(error, Mapping):
        return 0, printable(str(error)) if isinstance(error, str) else "no reason given", None
    code = error.get("code")
    message = error.get("message")
    data = error.get("data")
    if isinstance(data, Mapping):  # Hardhat nests it
        data = data.get("data")
    return (
        code if isinstance(code, int) else 0,
        printable(message) if isinstance(message, str) and message else "no reason given",
        _read_revert_data(data),
    )


def _read_revert_data(data: object) -> bytes | None:
    if not isinstance(data, str):
        return None
    match = re.match(r"(?:Reverted )?0x((?:[0-9a-fA-F]{2})*)\Z", data)  # Nethermind and OpenEthereum prefix a word
    return None if match is None else bytes.fromhex(match[1])
