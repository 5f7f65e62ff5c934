# pragma version 0.4.3
"""
@title   Buckets: how much may be spent in any time
@license Apache-2.0
@notice  Three words a bucket: cap and refill; balance, instant of the last count and period; lifetime cap and what of it
         is spent, 128 bits each but the two times, which have 64.
@custom:invariant In any time T no more leaves a bucket than cap + refill * T / period, and never more than its lifetime
                  cap. What the last count could not give out whole stays in its instant, which is in whole seconds and
                  rounded up: a count may cost less than one smallest unit.
"""

from ....interfaces import IPolicyAccount
from . import audit
from . import roles

uses: audit
uses: roles

_ACCOUNT: constant(uint8) = 1
_SESSION: constant(uint8) = 2
_COUNTERPARTY: constant(uint8) = 3
_NEWCOMERS: constant(uint8) = 4
_NATIVE: constant(address) = empty(address)
_PERIOD_S_MAX: constant(uint64) = 10 * 366 * 86_400
_KIND_POLICY: constant(uint8) = 9
_M64: constant(uint256) = 2**64 - 1
_M128: constant(uint256) = 2**128 - 1

_rates: HashMap[bytes32, uint256]
_states: HashMap[bytes32, uint256]
_lives: HashMap[bytes32, uint256]
_debts: HashMap[bytes32, uint256]  # what was taken without counting since the last count
_tokens: DynArray[address, 8]


@external
def set_bucket(
    scope: uint8,
    holder: address,
    token: address,
    cap: uint128,
    refill: uint128,
    period_s: uint64,
    lifetime_cap: uint128,
):
    is_whole: bool = scope == _ACCOUNT or scope == _NEWCOMERS
    assert scope != 0 and scope <= _NEWCOMERS and is_whole == (holder == empty(address)), "buckets: bad scope"
    assert period_s != 0 and period_s <= _PERIOD_S_MAX, "buckets: bad rates"
    key: bytes32 = self._key(scope, holder, token)
    rates: uint256 = self._rates[key]
    state: uint256 = self._states[key]
    life: uint256 = self._lives[key]
    period: uint256 = state >> 192
    new_cap: uint256 = convert(cap, uint256)
    new_refill: uint256 = convert(refill, uint256)
    new_period: uint256 = convert(period_s, uint256)
    new_life: uint256 = convert(lifetime_cap, uint256)
    balance: uint256 = new_cap
    if period == 0:
        # A counterparty without a bucket is not bounded by one, so its first bucket can only take.
        roles._check_setter(scope != _COUNTERPARTY)
        if scope == _ACCOUNT and token != _NATIVE:
            assert len(self._tokens) < 8, "buckets: too many tokens"
            self._tokens.append(token)
    else:
        roles._check_setter(
            new_cap > rates & _M128
            or new_refill * period > (rates >> 128) * new_period
            or new_life > life & _M128
        )
        balance = min(new_cap, self._counted(key, state) & _M128)

    self._rates[key] = new_cap | new_refill << 128
    self._states[key] = balance | block.timestamp << 128 | new_period << 192
    self._lives[key] = new_life | life >> 128 << 128
    self._debts[key] = 0

    log IPolicyAccount.BucketSet(
        scope=scope,
        holder=holder,
        token=token,
        cap=cap,
        refill=refill,
        period_s=period_s,
        lifetime_cap=lifetime_cap,
    )
    audit._link(
        holder, _KIND_POLICY, self, token, new_cap,
        keccak256(abi_encode(scope, refill, period_s, lifetime_cap)), empty(bytes32), True,
    )


@external
def forget_token(token: address):
    roles._check_setter(True)
    key: bytes32 = self._key(_ACCOUNT, empty(address), token)
    assert token != _NATIVE and self._states[key] != 0, "buckets: no bucket"
    self._states[key] = 0
    last: address = self._tokens.pop()
    for i: uint256 in range(len(self._tokens), bound=8):
        if self._tokens[i] == token:
            self._tokens[i] = last
    log IPolicyAccount.TokenForgotten(token=token)
    audit._note(_KIND_POLICY, token, keccak256("forgotten"))


@external
def accrue(scope: uint8, holder: address, token: address):
    key: bytes32 = self._key(scope, holder, token)
    state: uint256 = self._states[key]
    assert state != 0, "buckets: no bucket"
    self._states[key] = self._counted(key, state)
    self._debts[key] = 0


@view
@external
def bucket_of(scope: uint8, holder: address, token: address) -> IPolicyAccount.Bucket:
    key: bytes32 = self._key(scope, holder, token)
    rates: uint256 = self._rates[key]
    state: uint256 = self._states[key]
    life: uint256 = self._lives[key]
    if state != 0:
        state = self._counted(key, state)
    return IPolicyAccount.Bucket(
        cap=convert(rates & _M128, uint128),
        refill=convert(rates >> 128, uint128),
        period_s=convert(state >> 192, uint64),
        lifetime_cap=convert(life & _M128, uint128),
        lifetime_spent=convert(life >> 128, uint128),
        balance=convert(state & _M128, uint128),
        since=convert((state >> 128) & _M64, uint64),
    )


@view
@external
def tokens() -> DynArray[address, 8]:
    return self._tokens


@internal
def _debit(scope: uint8, holder: address, token: address, amount: uint256, is_counting: bool):
    """
    @dev Take `amount` out of a bucket. The validation of user operations may not look at the time and does not count.
    """
    key: bytes32 = self._key(scope, holder, token)
    state: uint256 = self._states[key]
    assert state != 0, "buckets: no bucket"
    debt: uint256 = amount
    if is_counting:
        state = self._counted(key, state)
        self._states[key] = state - min(amount, state & _M128)
        self._debts[key] = 0
    else:
        debt += self._debts[key]
        self._debts[key] = debt
    assert debt <= state & _M128, "buckets: over budget"
    life: uint256 = self._lives[key]
    if life & _M128 != _M128:
        assert (life >> 128) + amount <= life & _M128, "buckets: lifetime spent"
        self._lives[key] = life + (amount << 128)


@internal
def _move(session: address, successor: address):
    self._move_one(session, successor, _NATIVE)
    for token: address in self._tokens:
        self._move_one(session, successor, token)


@internal
def _move_one(session: address, successor: address, token: address):
    old: bytes32 = self._key(_SESSION, session, token)
    new: bytes32 = self._key(_SESSION, successor, token)
    self._rates[new] = self._rates[old]
    self._states[new] = self._states[old]
    self._lives[new] = self._lives[old]
    self._debts[new] = self._debts[old]
    self._states[old] = 0


@view
@internal
def _exists(scope: uint8, holder: address, token: address) -> bool:
    return self._states[self._key(scope, holder, token)] != 0


@view
@internal
def _counted(key: bytes32, state: uint256) -> uint256:
    """
    @dev Return a bucket's state with what has come in and without its debt. The debt is taken last: taken when it was
         made it would leave room for refill of time in which the bucket was full.
    """
    rates: uint256 = self._rates[key]
    cap: uint256 = rates & _M128
    refill: uint256 = rates >> 128
    balance: uint256 = state & _M128
    since: uint256 = (state >> 128) & _M64
    period: uint256 = state >> 192
    gained: uint256 = refill * (block.timestamp - since) // period
    if balance + gained >= cap:
        balance = cap
        since = block.timestamp
    elif gained != 0:
        balance += gained
        since += (gained * period + refill - 1) // refill
    return balance - self._debts[key] | since << 128 | period << 192


@pure
@internal
def _key(scope: uint8, holder: address, token: address) -> bytes32:
    return keccak256(abi_encode(scope, holder, token))
