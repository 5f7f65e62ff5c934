# pragma version 0.4.3
"""
@title   Calls: one way for every act of a session
@license Apache-2.0
@notice  Outside: may the session speak at all, is it one operation too many, and in the end the link. Inside, all or
         nothing: rule, payee, caps, buckets, the call, and what it left behind.
@custom:invariant Whatever the target does, no budgeted token and no native coin leaves beyond what was taken from the
                  buckets; an allowance given for a call does not outlive it; a refusal changes nothing but its count.
@custom:security  One lock over all acts: who is called in the middle cannot start another. Tokens that nobody budgeted
                  are not watched, so rules must not let sessions touch what is worth something and has no bucket.
"""

from ethereum.ercs import IERC20

from ....interfaces import IPolicyAccount
from ....interfaces import IPolicyRules
from . import audit
from . import buckets
from . import companions
from . import sessions

uses: audit
uses: buckets
uses: companions
uses: sessions

_CALL: constant(uint8) = 1
_ITEM: constant(uint8) = 5
_ALL_GAS: constant(uint256) = max_value(uint256)
_WITHIN: constant(uint8) = 0
_APPROVED: constant(uint8) = 2
_NATIVE: constant(address) = empty(address)
_TRANSFER: constant(Bytes[4]) = method_id("transfer(address,uint256)")
_ERROR: constant(Bytes[4]) = method_id("Error(string)")
_REFUSED_BY_TARGET: constant(bytes32) = keccak256("calls: call failed")


@external
@nonreentrant
def execute(target: address, amount: uint256, data: Bytes[2048], intent_hash: bytes32) -> bool:
    return self._act(msg.sender, _CALL, target, amount, data, intent_hash, _ALL_GAS)


@external
@nonreentrant
def act(
    session: address,
    kind: uint8,
    target: address,
    amount: uint256,
    data: Bytes[2048],
    intent_hash: bytes32,
    gas_limit: uint256,
) -> bool:
    assert msg.sender == companions.relay, "calls: not the relay"
    return self._act(session, kind, target, amount, data, intent_hash, gas_limit)


@external
@nonreentrant
def run_item(
    session: address,
    target: address,
    amount: uint256,
    data: Bytes[2048],
    intent_hash: bytes32,
    passes: uint8,
    token: address,
    max_debit: uint256,
):
    assert msg.sender == companions.queue, "calls: not the queue"
    word: uint256 = sessions._gate(session, sessions._PROPOSE)
    spent_token: address = empty(address)
    spent: uint256 = 0
    spent_token, spent = extcall IPolicyAccount(self).perform(
        session, convert(word & 255, uint8), target, amount, data, passes, token, max_debit
    )
    audit._link(session, _ITEM, target, spent_token, spent, keccak256(data), intent_hash, True)


@external
def perform(
    session: address,
    level: uint8,
    target: address,
    amount: uint256,
    data: Bytes[2048],
    passes: uint8,
    item_token: address,
    item_debit: uint256,
) -> (address, uint256):
    assert msg.sender == self, "calls: only by itself"
    assert not companions._is_own(target), "calls: target denied"
    reading: IPolicyRules.Reading = staticcall IPolicyRules(companions.rules).read_call(
        self, level, target, amount, data, passes
    )
    token: address = reading.token
    debit: uint256 = reading.debit
    if passes != _WITHIN and debit != 0 and token != _NATIVE:
        assert token == item_token and debit <= item_debit, "calls: beyond the item"
    is_charged: bool = passes != _APPROVED and debit != 0

    held: uint256 = self.balance
    tokens: DynArray[address, 8] = buckets._tokens
    balances: DynArray[uint256, 8] = []
    for one: address in tokens:
        balances.append(self._held(one))

    if reading.pulls:
        before: uint256 = self._held(token)
        self._ask(token, abi_encode(target, debit, method_id=method_id("approve(address,uint256)")))
        self._call(target, amount, data)
        if self._allowance(token, target) != 0:
            self._ask(token, abi_encode(target, empty(uint256), method_id=method_id("approve(address,uint256)")))
            assert self._allowance(token, target) == 0, "calls: allowance left"
        left: uint256 = self._held(token)
        assert left + debit >= before, "calls: moved more"
        debit = before - min(before, left)
        if is_charged:
            self._charge(session, reading.payee, token, debit, reading.is_newcomer)
    else:
        if is_charged:
            self._charge(session, reading.payee, token, debit, reading.is_newcomer)
        self._call(target, amount, data)

    assert self.balance + amount >= held, "calls: moved more"
    for i: uint256 in range(len(tokens), bound=8):
        allowed: uint256 = 0
        if tokens[i] == token:
            allowed = debit
        assert self._held(tokens[i]) + allowed >= balances[i], "calls: moved more"
    return token, debit


@internal
def _act(
    session: address,
    kind: uint8,
    target: address,
    amount: uint256,
    data: Bytes[2048],
    intent_hash: bytes32,
    gas_limit: uint256,
) -> bool:
    word: uint256 = sessions._gate(session, sessions._BOUNDED)
    token: address = empty(address)
    spent: uint256 = amount
    reason: String[64] = sessions._count(session, word)
    is_done: bool = False
    is_counted: bool = False
    if reason == "":
        # Who signed a call said how much gas it needs; a relayer may not make it fail by bringing less.
        assert gas_limit == _ALL_GAS or msg.gas - msg.gas // 64 >= gas_limit + 10_000, "calls: too little gas"
        answer: Bytes[132] = b""
        is_done, answer = raw_call(
            self,
            abi_encode(
                session,
                convert(word & 255, uint8),
                target,
                amount,
                data,
                _WITHIN,
                empty(address),
                empty(uint256),
                method_id=method_id("perform(address,uint8,address,uint256,bytes,uint8,address,uint256)"),
            ),
            gas=gas_limit,
            max_outsize=132,
            revert_on_failure=False,
        )
        if is_done:
            token, spent = abi_decode(answer, (address, uint256))
        else:
            reason = self._reason(answer)
            is_counted = reason != "" and keccak256(reason) != _REFUSED_BY_TARGET
    if not is_done:
        sessions._deny(session, word, reason, is_counted)
    audit._link(session, kind, target, token, spent, keccak256(data), intent_hash, is_done)
    return is_done


@internal
def _charge(session: address, payee: address, token: address, amount: uint256, is_newcomer: bool):
    buckets._debit(buckets._SESSION, session, token, amount, True)
    buckets._debit(buckets._ACCOUNT, empty(address), token, amount, True)
    if buckets._exists(buckets._COUNTERPARTY, payee, token):
        buckets._debit(buckets._COUNTERPARTY, payee, token, amount, True)
    if is_newcomer:
        buckets._debit(buckets._NEWCOMERS, empty(address), token, amount, True)


@internal
def _call(target: address, amount: uint256, data: Bytes[2048]):
    is_done: bool = False
    answer: Bytes[32] = b""
    is_done, answer = raw_call(target, data, value=amount, max_outsize=32, revert_on_failure=False)
    # A token that says no in words instead of reverting has not paid.
    if len(data) == 68 and slice(data, 0, 4) == _TRANSFER and len(answer) != 0:
        is_done = is_done and answer == abi_encode(True)
    assert is_done, "calls: call failed"


@internal
def _ask(token: address, request: Bytes[68]):
    is_done: bool = raw_call(token, request, revert_on_failure=False)
    assert is_done, "calls: call failed"


@view
@internal
def _held(token: address) -> uint256:
    return staticcall IERC20(token).balanceOf(self)


@view
@internal
def _allowance(token: address, spender: address) -> uint256:
    return staticcall IERC20(token).allowance(self, spender)


@pure
@internal
def _reason(answer: Bytes[132]) -> String[64]:
    """
    @dev What Error(string) says, or nothing. Never reverts, whatever came back.
    """
    if len(answer) < 68 or slice(answer, 0, 4) != _ERROR:
        return ""
    length: uint256 = extract32(answer, 36, output_type=uint256)
    if length > 64 or length > len(answer) - 68:
        return ""
    return convert(slice(answer, 68, length), String[64])
