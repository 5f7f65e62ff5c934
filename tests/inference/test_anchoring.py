"""Anchors survive crashes, lost nodes and reorganisations: never two of one, never a false one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.chain.accounts import Account, TransactionFields
from tallystick.chain.bindings.log_anchor import LogAnchor
from tallystick.chain.deploy import deploy
from tallystick.chain.embedded import Genesis, create
from tallystick.chain.fees import Fees
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.core.errors import InvalidInput, Rejected, Unavailable, VerificationFailed
from tallystick.inference.anchoring import Anchorer, AnchorRecord, AnchorState, open_log, read_anchor_file, read_anchors
from tallystick.inference.anchoring.history import read_chain
from tallystick.inference.log import Files, Log, LogReader, log_prefix
from tallystick.inference.log.journal import parse_head
from tallystick.store.blobs import BlobStore
from tests.inference.conftest import KEY, ORIGIN, TICKET_SIGNER
from tests.inference.forking import Switch

OWNER = Account(b"\x02" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()


class Scene:
    """A log of 10 entries with a checkpoint, registered on a chain that can fork."""

    def __init__(self, tmp_path: Path, lag: int = 0) -> None:
        path = tmp_path / "chain.db"
        balances = {bytes.fromhex(account.address[2:]): 10**24 for account in (OWNER, Account(b"\x03" * 32))}
        create(path, Genesis(1_700_000_000, balances=balances))
        self.switch = Switch(path)
        self.node = Node(self.switch)
        self.outbox_path = tmp_path / "outbox.db"
        self.outbox = Outbox(self.outbox_path, self.node, OWNER)
        self.contract = deploy(self.outbox, "LogAnchor").address
        self.log_id = open_log(self.outbox, self.contract, ORIGIN, PUBLIC, TICKET_SIGNER)
        self.switch.lag = lag
        self.log = Log.open(tmp_path / "log", ORIGIN, key=KEY, volatile=True)
        self.nonce = 0
        self.grow(10)

    def grow(self, count: int) -> bytes:
        """Append and sign."""
        self.log.append_many([b"entry %d" % n for n in range(count)])[-1].result()
        return self.log.checkpoint()

    def anchorer(self, **options: object) -> Anchorer:
        return Anchorer(self.log.reader, self.outbox, self.contract, self.log_id, **options)  # type: ignore[arg-type]

    def anchored(self) -> list[int]:
        """Return the sizes that the chain has seen, in order."""
        return [anchor.size for anchor in read_chain(self.node, self.contract, self.log_id).anchors]

    def mine(self, count: int = 1) -> None:
        """Let another account's transactions make blocks."""
        other = Account(b"\x03" * 32)
        for _ in range(count):
            nonce = self.node.nonce(other.address)
            fields = TransactionFields(self.node.chain_id, nonce, OWNER.address, 1, b"", 21_000, Fees(10**11, 0))
            self.node.send_raw(other.sign_transaction(fields).raw)

    def close(self) -> None:
        self.log.close()
        self.outbox.close()
        self.switch.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.close()


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Scene]:
    """A chain whose two newest blocks are not final."""
    scene = Scene(tmp_path, lag=2)
    yield scene
    scene.close()


def test_each_anchor_extends_the_last(scene: Scene) -> None:
    anchorer = scene.anchorer()
    for size in (10, 15, 300):
        scene.grow(size - scene.log.size) if size > scene.log.size else None
        record = anchorer.anchor()
        assert record is not None
        assert (record.size, record.state) == (size, AnchorState.MINED)
    assert scene.anchored() == [10, 15, 300]
    assert [record.number for record in anchorer.records()] == [0, 1, 2]


def test_anchoring_what_is_anchored_sends_nothing(scene: Scene) -> None:
    anchorer = scene.anchorer()
    first = anchorer.anchor()
    blocks = scene.node.block_number()
    again = anchorer.anchor()
    assert again is not None
    assert again.moved(AnchorState.MINED) == first
    assert scene.node.block_number() == blocks


def test_what_the_owner_anchored_elsewhere_is_accepted_and_not_repeated(scene: Scene) -> None:
    head = parse_head(scene.log.checkpoint())
    call = LogAnchor(scene.node, scene.contract).anchor(scene.log_id, head.size, head.root, [])
    scene.outbox.send_and_wait(call, key="by hand")
    assert scene.anchorer().anchor() is None
    shown = scene.anchorer()(scene.log.checkpoint())
    assert shown["state"] == "anchored by another"


def test_an_empty_log_is_not_said_to_be_anchored(scene: Scene, tmp_path: Path) -> None:
    with Log.open(tmp_path / "empty", ORIGIN, key=KEY, volatile=True) as log:
        log.checkpoint()
        with pytest.raises(InvalidInput) as caught:
            Anchorer(log.reader, scene.outbox, scene.contract, scene.log_id).anchor()
    assert caught.value.code == "anchor.empty"


def test_a_checkpoint_that_the_log_did_not_sign_is_refused(scene: Scene) -> None:
    with pytest.raises(InvalidInput) as caught:
        scene.anchorer().anchor(scene.log.checkpoint().replace(b"\n10\n", b"\n11\n"))
    assert caught.value.code == "anchor.unjournaled"
    assert scene.anchored() == []


def test_an_older_checkpoint_of_the_journal_can_be_anchored_before_a_newer_one(scene: Scene) -> None:
    first = scene.log.checkpoint()
    scene.grow(5)
    anchorer = scene.anchorer()
    assert anchorer.anchor(first) is not None
    anchorer.anchor()
    assert scene.anchored() == [10, 15]
    with pytest.raises(VerificationFailed) as caught:
        anchorer.anchor(first)
    assert caught.value.code == "anchor.behind"


def test_a_chain_that_contradicts_the_log_stops_everything(scene: Scene, tmp_path: Path) -> None:
    call = LogAnchor(scene.node, scene.contract).anchor(scene.log_id, 4, b"\x07" * 32, [])
    scene.outbox.send_and_wait(call, key="a fork")
    with pytest.raises(VerificationFailed) as caught:
        scene.anchorer().anchor()
    assert caught.value.code == "merkle.consistency"
    assert scene.anchored() == [4]


def test_a_damaged_entry_is_found_before_anything_is_sent(scene: Scene) -> None:
    path = next((scene.log.reader.folder / "wal").iterdir())
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(VerificationFailed) as caught:
        scene.anchorer().anchor()
    assert caught.value.code == "log.entry"
    assert scene.anchored() == []


def test_another_anchorer_at_work_is_waited_for(scene: Scene) -> None:
    with scene.anchorer()._locked(), pytest.raises(Unavailable) as caught:
        scene.anchorer().anchor()
    assert caught.value.code == "anchor.locked"


def test_anchors_are_published_for_others_to_find(scene: Scene, blobs: BlobStore) -> None:
    record = scene.anchorer(blobs=blobs).anchor()
    assert record is not None
    published = read_anchor_file(blobs.read_named(f"{log_prefix(ORIGIN)}/anchors/0.json", 10_000))
    assert published.transaction == record.transaction
    assert (published.size, published.root, published.checkpoint) == (10, record.root, scene.log.checkpoint())


def test_a_node_that_is_gone_for_a_while_costs_only_time(scene: Scene) -> None:
    anchorer = scene.anchorer(timeout_s=0.1)
    scene.switch.is_gone = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            anchorer.anchor()
    scene.switch.is_gone = False
    assert anchorer.anchor() is not None
    assert scene.anchored() == [10]


@pytest.mark.parametrize("method", ["eth_sendRawTransaction", "eth_getTransactionReceipt", "eth_call"])
def test_a_node_that_is_gone_in_the_middle_of_an_anchor_makes_no_second_one(scene: Scene, method: str) -> None:
    anchorer = scene.anchorer(timeout_s=0.1)
    scene.switch.goes_after = method
    with pytest.raises(Unavailable):
        anchorer.anchor()
    assert all(record.state is AnchorState.INTENT for record in anchorer.records())  # nothing is said that is not known
    scene.switch.is_gone = False
    record = anchorer.anchor()
    assert record is not None
    assert (record.size, record.state) == (10, AnchorState.MINED)
    assert scene.anchored() == [10]


# --- finality and reorganisations


def test_the_next_anchor_waits_until_the_last_is_final(slow: Scene) -> None:
    anchorer = slow.anchorer()
    slow.mine(2)
    anchorer.anchor()
    slow.grow(5)
    with pytest.raises(Unavailable) as caught:
        anchorer.anchor()
    assert caught.value.code == "anchor.unsettled"
    slow.mine(2)
    anchorer.anchor()
    assert slow.anchored() == [10, 15]
    assert [record.state for record in anchorer.records()] == [AnchorState.FINAL, AnchorState.MINED]


def test_an_operator_may_choose_not_to_wait_for_finality(slow: Scene) -> None:
    anchorer = slow.anchorer(settle="mined")
    anchorer.anchor()
    slow.grow(5)
    anchorer.anchor()
    assert slow.anchored() == [10, 15]


def test_an_anchor_undone_by_a_reorganisation_is_noticed_and_made_again(slow: Scene) -> None:
    anchorer = slow.anchorer()
    slow.mine(3)
    before = slow.switch.fork()
    first = anchorer.anchor()
    assert slow.anchored() == [10]
    slow.switch.reorganise(before)
    slow.mine(1)
    assert slow.anchored() == []
    anchorer.settle()
    assert slow.anchored() == [10]
    record = anchorer.records()[-1]
    assert first is not None
    assert (record.state, record.transaction) == (AnchorState.MINED, first.transaction)  # the same bytes, sent again
    assert record.block_hash != first.block_hash
    slow.mine(2)
    slow.grow(5)
    anchorer.anchor()
    assert slow.anchored() == [10, 15]


def test_an_anchor_that_a_reorganisation_makes_impossible_is_replaced_by_a_new_one(slow: Scene) -> None:
    """On the other side of the fork the owner anchored by hand, so the old proof no longer fits."""
    anchorer = slow.anchorer()
    small = slow.log.checkpoint()
    slow.grow(5)
    slow.mine(3)
    before = slow.switch.fork()
    anchorer.anchor()
    assert slow.anchored() == [15]
    slow.switch.reorganise(before)
    head = parse_head(small)
    call = LogAnchor(slow.node, slow.contract).anchor(slow.log_id, head.size, head.root, [])
    nonce = slow.node.nonce(OWNER.address)
    fields = TransactionFields(slow.node.chain_id, nonce, call.to, 0, call.data, 500_000, Fees(10**11, 0))
    slow.node.send_raw(OWNER.sign_transaction(fields).raw)
    slow.mine(3)
    assert slow.anchored() == [10]
    for _ in range(3):
        try:
            anchorer.anchor()
        except Unavailable:
            slow.mine(1)
    assert slow.anchored() == [10, 15]


# --- crashes


class Killed(BaseException):
    """The process died here."""


class KillableFiles(Files):
    """Dies at the given call."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._left = at

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed

    def open(self, path: Path, flags: int) -> int:
        self._step()
        return super().open(path, flags)

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        self._step()
        half = memoryview(data)[: len(data) // 2]
        if self._left == 0 and half:
            super().pwrite(fd, half, offset)  # the next call dies: a torn record
            return len(half)
        return super().pwrite(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        self._step()
        super().fdatasync(fd)

    def fsync(self, fd: int) -> None:
        self._step()
        super().fsync(fd)


def test_killed_at_any_step_of_its_own_an_anchor_is_resumed_and_never_doubled(scene: Scene) -> None:
    anchored, at, died = 0, 0, 0
    while True:
        size = scene.log.size
        files = KillableFiles(at)
        try:
            scene.anchorer(files=files).anchor()
        except Killed:
            died += 1
        else:
            break
        record = scene.anchorer().anchor()
        assert record is not None
        assert record.size == size
        anchored += 1
        assert scene.anchored() == [10 + 3 * n for n in range(anchored)]
        scene.grow(3)
        at += 1
    assert died >= 8


OUTBOX_POINTS = (
    "draft.before", "draft.within", "draft.after", "sign.before", "sign.within", "sign.after",
    "send.before", "send.after", "send.recorded", "settle.look", "settle.record", "settle.within",
)  # fmt: skip


@pytest.mark.parametrize("point", OUTBOX_POINTS)
def test_killed_within_the_outbox_an_anchor_is_resumed_and_never_doubled(scene: Scene, point: str) -> None:
    def die(reached: str) -> None:
        if reached == point:
            raise Killed

    with Outbox(scene.outbox_path, scene.node, OWNER, faults=die) as outbox, pytest.raises(Killed):
        Anchorer(scene.log.reader, outbox, scene.contract, scene.log_id).anchor()
    scene.grow(4)
    anchorer = scene.anchorer()
    anchorer.anchor()
    assert scene.anchored() in ([10, 14], [14])
    states = {record.state for record in anchorer.records()}
    assert states <= {AnchorState.MINED, AnchorState.FINAL, AnchorState.DROPPED}


# --- the journal


def test_the_anchor_journal_drops_a_torn_record_and_refuses_a_damaged_one(scene: Scene) -> None:
    anchorer = scene.anchorer()
    anchorer.anchor()
    scene.grow(2)
    anchorer.anchor()
    path = scene.log.reader.folder / "anchors"
    whole = path.read_bytes()
    records = read_anchors(path.parent)
    for cut in range(1, 200, 17):
        path.write_bytes(whole[:-cut])
        assert len(read_anchors(path.parent)) == len(records)
    for place in range(0, len(whole) // 2, 41):
        damaged = bytearray(whole)
        damaged[place] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(VerificationFailed):
            read_anchors(path.parent)
    path.write_bytes(whole)


def test_an_anchor_record_survives_its_file(scene: Scene) -> None:
    record = scene.anchorer().anchor()
    assert record is not None
    assert AnchorRecord.from_bytes(record.to_bytes()) == record
    with pytest.raises(InvalidInput):
        AnchorRecord.from_bytes(record.to_file())


def test_an_account_that_may_not_anchor_is_refused_by_the_contract(scene: Scene, tmp_path: Path) -> None:
    stranger = Outbox(tmp_path / "other.db", scene.node, Account(b"\x03" * 32))
    with stranger, pytest.raises(Rejected) as caught:
        Anchorer(LogReader(scene.log.reader.folder), stranger, scene.contract, scene.log_id).anchor()
    assert caught.value.code == "anchors: not anchorer or owner"
    assert scene.anchorer().records()[-1].state is AnchorState.REFUSED
    assert scene.anchorer().anchor() is not None
