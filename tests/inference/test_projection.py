"""What the index says of logs is what the contract says, after every kind of event."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tallystick.chain.accounts import Account
from tallystick.chain.bindings.log_anchor import EVENTS, LogAnchor
from tallystick.chain.calls import Call
from tallystick.chain.outbox import Outbox
from tallystick.core import merkle
from tallystick.index import Index
from tallystick.inference.projection import projection
from tests.inference.conftest import TICKET_SIGNER, Chain

OTHER = Account(b"\x03" * 32)
LEAVES = merkle.leaf_hashes([b"%d" % n for n in range(100)])


KEYS = "SELECT vkey, since_size FROM inference_keys WHERE log_id = ? ORDER BY key_index"

KINDS = ["anchor", "rotate", "anchorer", "signer", "offer", "retire", "open"]


def compare(chain: Chain, index: Index) -> None:
    """Hold the view of logs to the contract, field by field."""
    index.sync()
    contract = LogAnchor(chain.node, chain.contract)
    rows = {int.from_bytes(row["log_id"], "big"): row for row in index.query("SELECT * FROM inference_logs")}  # type: ignore[arg-type]
    assert sorted(rows) == list(range(1, contract.log_count() + 1))
    for log_id, row in rows.items():
        state = contract.log_at(log_id)
        assert (row["origin"], row["owner"], row["vkey"]) == (state.origin, state.owner, state.vkey)
        assert (row["ticket_signer"], row["anchorer"]) == (state.ticket_signer, state.anchorer)
        assert row["size"] == state.size
        assert (row["root"] or merkle.EMPTY_ROOT, row["anchored_at"] or 0) == (state.root, state.anchored_at)
        assert (row["retired_at"] is not None) == state.retired
        assert int.from_bytes(row["successor"] or b"", "big") == state.successor  # type: ignore[arg-type]
        keys = index.query(
            "SELECT vkey, since_size FROM inference_keys WHERE log_id = ? ORDER BY key_index", [row["log_id"]]
        )  # type: ignore[list-item]
        expected = [contract.key_at(log_id, n) for n in range(state.key_count)]
        assert [(key["vkey"], key["since_size"]) for key in keys] == [(key.vkey, key.since_size) for key in expected]


def test_every_event_of_the_contract_is_projected(chain: Chain) -> None:
    (decoders,) = projection(chain.contract).sources.values()
    assert set(decoders) == {event.topic for event in EVENTS.values()}


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["anchor", "rotate", "anchorer", "signer", "offer", "retire", "open"]), st.integers(1, 20)
    ),
    max_size=12,
)


@given(actions=ACTIONS)
@settings(
    max_examples=3, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_index_says_what_the_contract_says(chain: Chain, tmp_path: Path, actions: list[tuple[str, int]]) -> None:
    contract, outbox = LogAnchor(chain.node, chain.contract), chain.outbox

    def send(call: Call, by: Outbox = outbox) -> None:
        block = chain.node.block_number()
        by.send_and_wait(call, key=f"{block} {call.function} {call.data.hex()[:40]}")

    def open_log() -> int:
        count = contract.log_count()
        send(contract.open_log(f"example.com/{count}", bytes([count % 200 + 1]) * 32, TICKET_SIGNER, OTHER.address))
        return count + 1

    def anchor(log_id: int, step: int) -> None:
        size = contract.log_at(log_id).size
        if size + step <= len(LEAVES):
            new = LEAVES[: size + step]
            send(contract.anchor(log_id, len(new), merkle.root(new), merkle.consistency_path(new, size)))

    def signer(log_id: int, step: int) -> None:
        used = {contract.ticket_signer_at(log_id, n).signer for n in range(contract.log_at(log_id).signer_count)}
        wanted = Account(bytes([step]) * 32).address
        if wanted not in used:
            send(contract.set_ticket_signer(log_id, wanted))

    log_id = open_log()
    index = Index(tmp_path / f"index{chain.node.block_number()}.db", chain.node, [projection(chain.contract)])
    compare(chain, index)
    for action, step in actions:
        if action == "open" or contract.log_at(log_id).retired:
            log_id = open_log()
        elif action == "anchor":
            anchor(log_id, step)
        elif action == "rotate" and contract.log_at(log_id).vkey != bytes([200 + step]) * 32:
            send(contract.rotate_key(log_id, bytes([200 + step]) * 32))
        elif action == "anchorer":
            send(contract.set_anchorer(log_id, Account(bytes([step]) * 32).address))
        elif action == "signer":
            signer(log_id, step)
        elif action == "offer":
            send(contract.offer_log(log_id, OTHER.address))
        elif action == "retire":
            send(contract.retire(log_id, 0))
    compare(chain, index)


def test_a_log_that_changes_hands_has_its_new_owner(chain: Chain, tmp_path: Path) -> None:
    contract = LogAnchor(chain.node, chain.contract)
    opening = contract.open_log("example.com/a", b"\x01" * 32, TICKET_SIGNER, OTHER.address)
    chain.outbox.send_and_wait(opening, key="open")
    chain.outbox.send_and_wait(contract.offer_log(1, OTHER.address), key="offer")
    chain.outbox.send_and_wait(Call(OTHER.address, b"", 10**18), key="coins")
    with Outbox(tmp_path / "other.db", chain.node, OTHER) as other:
        other.send_and_wait(contract.accept_log(1), key="accept")
    index = Index(tmp_path / "index.db", chain.node, [projection(chain.contract)])
    compare(chain, index)
    (row,) = index.query("SELECT opener, owner FROM inference_logs")
    assert row == {"opener": chain.outbox.account.address, "owner": OTHER.address}
