# pragma version 0.4.3
"""
@title   Queue: what waits for approval
@license Apache-2.0
@notice  Of an item only its id, its state and who has approved it are kept; whoever runs it shows all of it again. A word
         holds the session in bits 0 to 159, the end in 160 to 223, whether it was proposed at level 3 or above in 232,
         whether it is open in 233.
@custom:invariant An item runs at most once, exactly as it was proposed, in its account's epoch and its time, with enough
                  approvals of different accounts that are approvers at that moment, or as an optimistic one of a session
                  that is still at level 3 and whose owner is heard of.
"""

from ....interfaces import IPolicyAccount
from ....interfaces import IPolicyQueue
from . import levels

_APPROVERS_MAX: constant(uint256) = 8  # as many as an account has at a time
_APPROVER: constant(uint8) = 2
_GUARDIAN: constant(uint8) = 1
_PROPOSE: constant(uint8) = 1
_SUPERVISED: constant(uint8) = 3
_KIND_QUEUE: constant(uint8) = 17
_OPTIMISTIC: constant(uint8) = 1
_APPROVED: constant(uint8) = 2
_VALID_S_MAX: constant(uint256) = 60 * 86_400
_M64: constant(uint256) = 2**64 - 1
_M160: constant(uint256) = 2**160 - 1

_terms: HashMap[address, IPolicyQueue.QueueTerms]
_accounts: HashMap[bytes32, address]
_words: HashMap[bytes32, uint256]
_approvals: HashMap[bytes32, DynArray[address, _APPROVERS_MAX]]
_nonces: HashMap[address, HashMap[address, uint64]]   # account, session
_open: HashMap[address, HashMap[address, uint256]]


@external
def set_queue(account: address, terms: IPolicyQueue.QueueTerms):
    is_let: bool = staticcall IPolicyAccount(account).check_setter(msg.sender, True)
    self._terms[account] = terms
    log IPolicyQueue.QueueTermsSet(account=account, terms=terms)
    extcall IPolicyAccount(account).note(_KIND_QUEUE, account, keccak256(abi_encode(terms)))


@external
def propose(
    account: address,
    target: address,
    amount: uint256,
    data: Bytes[2048],
    token: address,
    max_debit: uint256,
    intent_hash: bytes32,
    valid_s: uint32,
) -> bytes32:
    level: uint8 = self._level(account, msg.sender)
    assert level >= _PROPOSE, "queue: level too low"
    open_items: uint256 = self._open[account][msg.sender]
    assert open_items < convert(self._terms[account].open_max, uint256), "queue: too many open"
    assert convert(valid_s, uint256) <= _VALID_S_MAX, "queue: valid too long"

    nonce: uint64 = self._nonces[account][msg.sender]
    expires: uint256 = block.timestamp + convert(valid_s, uint256)
    item: IPolicyQueue.Item = IPolicyQueue.Item(
        session=msg.sender,
        nonce=nonce,
        target=target,
        amount=amount,
        data=data,
        token=token,
        max_debit=max_debit,
        intent_hash=intent_hash,
        proposed_at=convert(block.timestamp, uint64),
        expires=convert(expires, uint64),
    )
    id: bytes32 = self._id(account, staticcall IPolicyAccount(account).epoch(), item)

    self._nonces[account][msg.sender] = nonce + 1
    self._open[account][msg.sender] = open_items + 1
    self._accounts[id] = account
    self._words[id] = (
        convert(msg.sender, uint256)
        | expires << 160
        | convert(level >= _SUPERVISED, uint256) << 232
        | 1 << 233
    )

    log IPolicyQueue.Proposed(id=id, account=account, session=msg.sender, item=item)
    return id


@external
def approve(id: bytes32) -> uint8:
    self._check_open(id)
    assert staticcall IPolicyAccount(self._accounts[id]).role_of(msg.sender) == _APPROVER, "queue: not an approver"
    assert msg.sender not in self._approvals[id], "queue: already approved"
    approvers: DynArray[address, _APPROVERS_MAX] = self._standing(id)
    approvers.append(msg.sender)
    self._approvals[id] = approvers
    approvals: uint8 = convert(len(approvers), uint8)
    log IPolicyQueue.Approved(id=id, approver=msg.sender, approvals=approvals)
    return approvals


@external
def veto(id: bytes32):
    word: uint256 = self._check_open(id)
    account: address = self._accounts[id]
    if msg.sender != convert(word & _M160, address) and block.timestamp <= (word >> 160) & _M64:
        role: uint8 = staticcall IPolicyAccount(account).role_of(msg.sender)
        assert role != 0 and role <= 3, "queue: not yours to veto"
    self._close(id, account, word)
    log IPolicyQueue.Vetoed(id=id, by=msg.sender)


@external
def run(account: address, item: IPolicyQueue.Item):
    id: bytes32 = self._id(account, staticcall IPolicyAccount(account).epoch(), item)
    word: uint256 = self._check_open(id)
    terms: IPolicyQueue.QueueTerms = self._terms[account]
    waited_s: uint256 = block.timestamp - convert(item.proposed_at, uint256)
    assert block.timestamp <= convert(item.expires, uint256), "queue: expired"
    passes: uint8 = _APPROVED
    if terms.threshold == 0 or len(self._standing(id)) < convert(terms.threshold, uint256):
        assert (
            terms.veto_delay_s != 0
            and (word >> 232) & 1 == 1
            and self._level(account, item.session) >= _SUPERVISED
        ), "queue: not approved"
        assert waited_s >= convert(terms.veto_delay_s, uint256), "queue: too early"
        passes = _OPTIMISTIC
    else:
        assert waited_s >= convert(terms.queue_delay_s, uint256), "queue: too early"

    self._close(id, account, word)
    log IPolicyQueue.ItemRun(id=id, is_approved=passes == _APPROVED)
    extcall IPolicyAccount(account).run_item(
        item.session, item.target, item.amount, item.data, item.intent_hash, passes, item.token, item.max_debit
    )


@view
@external
def item_id(account: address, epoch: uint32, item: IPolicyQueue.Item) -> bytes32:
    return self._id(account, epoch, item)


@view
@external
def item_of(id: bytes32) -> IPolicyQueue.ItemState:
    word: uint256 = self._words[id]
    return IPolicyQueue.ItemState(
        account=self._accounts[id],
        session=convert(word & _M160, address),
        is_open=word >> 233 == 1,
        approvals=convert(len(self._standing(id)), uint8),
        expires=convert((word >> 160) & _M64, uint64),
    )


@view
@external
def has_approved(id: bytes32, approver: address) -> bool:
    return approver in self._standing(id)


@view
@external
def queue_of(account: address) -> IPolicyQueue.QueueTerms:
    return self._terms[account]


@view
@external
def open_items_of(account: address, session: address) -> uint256:
    return self._open[account][session]


@internal
def _close(id: bytes32, account: address, word: uint256):
    self._words[id] = word & ~(1 << 233)
    self._open[account][convert(word & _M160, address)] -= 1


@view
@internal
def _level(account: address, session: address) -> uint8:
    terms: IPolicyAccount.Session = staticcall IPolicyAccount(account).session_of(session)
    return levels._level_now(account, session, terms.heartbeat_s)


@view
@internal
def _standing(id: bytes32) -> DynArray[address, _APPROVERS_MAX]:
    """
    @dev Return who approved an item and is still an approver.
    """
    standing: DynArray[address, _APPROVERS_MAX] = []
    for approver: address in self._approvals[id]:
        if staticcall IPolicyAccount(self._accounts[id]).role_of(approver) == _APPROVER:
            standing.append(approver)
    return standing


@view
@internal
def _check_open(id: bytes32) -> uint256:
    word: uint256 = self._words[id]
    assert word >> 233 == 1, "queue: not open"
    return word


@view
@internal
def _id(account: address, epoch: uint32, item: IPolicyQueue.Item) -> bytes32:
    return keccak256(
        abi_encode(
            chain.id,
            account,
            epoch,
            item.session,
            item.nonce,
            item.target,
            item.amount,
            keccak256(item.data),
            item.token,
            item.max_debit,
            item.intent_hash,
            item.proposed_at,
            item.expires,
        )
    )
