# pragma version 0.4.3
"""
@title   Rules: what a call may be
@license Apache-2.0
@notice  A rule is two words and its constraints: token in bits 0 to 159, recipient and amount word plus one in 160 to 167
         and 168 to 175, least level in 176 to 183, pulls in 184, allowed in 185; cap of a call and of its native coin,
         128 bits each.
@custom:invariant A call without a rule is not made. The amount and the payee are the words of the calldata that goes out,
                  read where the owner said they are.
"""

from ....interfaces import IPolicyAccount
from ....interfaces import IPolicyRules
from . import payees
from . import selectors

uses: payees

_WITHIN: constant(uint8) = 0
_APPROVED: constant(uint8) = 2
_KIND_RULE: constant(uint8) = 15
_LEVEL_MAX: constant(uint8) = 4
_WORDS_MAX: constant(int8) = 62  # the words after the selector that 2,048 bytes of calldata have
_TRANSFER: constant(bytes4) = 0xa9059cbb  # transfer(address,uint256)
_M8: constant(uint256) = 2**8 - 1
_M128: constant(uint256) = 2**128 - 1
_M160: constant(uint256) = 2**160 - 1

_words: HashMap[bytes32, uint256]
_caps: HashMap[bytes32, uint256]
_constraints: HashMap[bytes32, DynArray[IPolicyRules.Constraint, 4]]


@external
def set_rule(account: address, target: address, selector: bytes4, rule: IPolicyRules.Rule):
    is_let: bool = staticcall IPolicyAccount(account).check_setter(msg.sender, rule.is_allowed)
    key: bytes32 = self._key(account, target, selector)
    if rule.is_allowed:
        assert not selectors._is_denied(selector), "rules: selector denied"
        assert not staticcall IPolicyAccount(account).is_own(target), "rules: target denied"
        assert self._is_sound(target, selector, rule), "rules: bad rule"
        self._words[key] = (
            convert(rule.token, uint256)
            | convert(rule.recipient_word + 1, uint256) << 160
            | convert(rule.amount_word + 1, uint256) << 168
            | convert(rule.min_level, uint256) << 176
            | convert(rule.pulls, uint256) << 184
            | 1 << 185
        )
        self._caps[key] = convert(rule.call_cap, uint256) | convert(rule.value_cap, uint256) << 128
        self._constraints[key] = rule.constraints
    else:
        self._words[key] = 0
    log IPolicyRules.RuleSet(account=account, target=target, selector=selector, rule=rule)
    extcall IPolicyAccount(account).note(_KIND_RULE, target, keccak256(abi_encode(selector, rule)))


@view
@external
def read_call(
    account: address, level: uint8, target: address, amount: uint256, data: Bytes[2048], passes: uint8
) -> IPolicyRules.Reading:
    selector: bytes4 = empty(bytes4)
    if len(data) != 0:
        assert len(data) >= 4, "rules: malformed call"
        selector = convert(slice(data, 0, 4), bytes4)
        assert selector != empty(bytes4), "rules: malformed call"  # that is how a native transfer is written
    key: bytes32 = self._key(account, target, selector)
    word: uint256 = self._words[key]
    assert word != 0, "rules: no rule"
    assert passes == _APPROVED or convert(level, uint256) >= (word >> 176) & _M8, "rules: level too low"
    assert selector != _TRANSFER or len(data) == 68, "rules: malformed call"

    payee: address = target
    recipient_word: uint256 = (word >> 160) & _M8
    if recipient_word != 0:
        recipient: uint256 = self._argument(data, recipient_word - 1)
        assert recipient <= _M160, "rules: malformed call"
        payee = convert(recipient, address)

    caps: uint256 = self._caps[key]
    token: address = convert(word & _M160, address)
    debit: uint256 = amount
    if token != empty(address):
        assert amount == 0, "rules: over the value cap"
        debit = 0
        amount_word: uint256 = (word >> 168) & _M8
        if amount_word != 0:
            debit = self._argument(data, amount_word - 1)
        assert debit <= caps & _M128 or passes != _WITHIN, "rules: over the cap"
    else:
        assert amount <= caps >> 128 or passes != _WITHIN, "rules: over the value cap"

    for one: IPolicyRules.Constraint in self._constraints[key]:
        argument: uint256 = self._argument(data, convert(one.word, uint256))
        assert one.low <= argument and argument <= one.high, "rules: word out of bounds"

    return IPolicyRules.Reading(
        payee=payee,
        token=token,
        debit=debit,
        pulls=(word >> 184) & 1 == 1,
        is_newcomer=payees._is_newcomer(account, level, payee, passes),
    )


@view
@external
def rule_of(account: address, target: address, selector: bytes4) -> IPolicyRules.Rule:
    key: bytes32 = self._key(account, target, selector)
    word: uint256 = self._words[key]
    if word == 0:
        return empty(IPolicyRules.Rule)
    caps: uint256 = self._caps[key]
    return IPolicyRules.Rule(
        is_allowed=True,
        pulls=(word >> 184) & 1 == 1,
        min_level=convert((word >> 176) & _M8, uint8),
        recipient_word=convert((word >> 160) & _M8, int8) - 1,
        amount_word=convert((word >> 168) & _M8, int8) - 1,
        token=convert(word & _M160, address),
        call_cap=convert(caps & _M128, uint128),
        value_cap=convert(caps >> 128, uint128),
        constraints=self._constraints[key],
    )


@pure
@internal
def _is_sound(target: address, selector: bytes4, rule: IPolicyRules.Rule) -> bool:
    for one: IPolicyRules.Constraint in rule.constraints:
        if one.low > one.high or convert(one.word, uint256) > convert(_WORDS_MAX, uint256):
            return False
    if selector == empty(bytes4) and (
        rule.recipient_word != -1 or rule.token != empty(address) or len(rule.constraints) != 0
    ):
        return False  # a native transfer has no arguments
    if rule.token == empty(address) and (rule.amount_word != -1 or rule.pulls or rule.call_cap != 0):
        return False
    if rule.token != empty(address) and rule.value_cap != 0:
        return False  # one call, one coin
    if rule.min_level > _LEVEL_MAX:
        return False  # nobody could ever call it without approvals
    if rule.pulls and (rule.amount_word == -1 or target == rule.token):
        return False
    if selector == _TRANSFER and (rule.token != target or rule.recipient_word != 0 or rule.amount_word != 1):
        return False  # what this function means is known, so nobody can get it wrong
    return (
        rule.recipient_word >= -1
        and rule.recipient_word <= _WORDS_MAX
        and rule.amount_word >= -1
        and rule.amount_word <= _WORDS_MAX
    )


@pure
@internal
def _argument(data: Bytes[2048], word: uint256) -> uint256:
    assert 36 + 32 * word <= len(data), "rules: malformed call"
    return extract32(data, 4 + 32 * word, output_type=uint256)


@pure
@internal
def _key(account: address, target: address, selector: bytes4) -> bytes32:
    return keccak256(abi_encode(account, target, selector))
