"""The hash chain of an account, computed again from its events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tallystick.agents.audit.findings import Area, Finding, Link
from tallystick.chain.bindings.policy_account import ActionLogged
from tallystick.core.digest import keccak


def next_head(head: bytes, link: ActionLogged) -> bytes:
    """Return the head after a link: keccak256 of abi_encode of the head before and all that the link holds."""
    words = (
        head,
        link.seq.to_bytes(32, "big"),
        _word(link.session),
        link.kind.to_bytes(32, "big"),
        _word(link.target),
        _word(link.token),
        link.amount.to_bytes(32, "big"),
        link.data_hash,
        link.intent_hash,
        link.result.to_bytes(32, "big"),
    )
    return keccak(b"".join(words))


def check_links(links: Sequence[Link], count: int, head: bytes) -> Iterator[Finding]:
    """Yield what is wrong with a chain of links, given how many the account says there are and its head."""
    running: bytes | None = bytes(32)
    expected = 1
    for link in links:
        seq = link.event.seq
        if seq != expected:
            yield _misplaced(link, expected)
            running = None  # what the links between would have made of it cannot be known
        if running is not None and next_head(running, link.event) != link.event.head:
            words = f"link {seq} does not hash to its head: it, or one before it, is not as it was made"
            yield Finding(Area.LINKS, "links.head", words, seq, link.transaction)
        running, expected = link.event.head, seq + 1
    if count != expected - 1:
        yield Finding(Area.LINKS, "links.count", f"the account has {count} links, and {expected - 1} were found")
    if (bytes(32) if running is None else running) != head:
        yield Finding(Area.LINKS, "links.end", "the last link's head is not the account's")


def _misplaced(link: Link, expected: int) -> Finding:
    seq = link.event.seq
    if seq < expected:
        words = f"link {seq} stands behind link {expected - 1}"
        return Finding(Area.LINKS, "links.order", words, seq, link.transaction)
    missing = f"link {expected} is" if seq == expected + 1 else f"links {expected} to {seq - 1} are"
    return Finding(Area.LINKS, "links.missing", f"{missing} missing", expected, link.transaction)


def _word(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])
