# pragma version 0.4.3
"""
@title   Payees: whom an account pays
@license Apache-2.0
@notice  A payee is allowed until an instant, denied, or unknown. Newcomers are unknown payees that are the wallet of an
         agent in an ERC-8004 registry and were seen long enough ago.
@custom:invariant Who is denied is not paid by any session, whatever its level and whoever approved.
@custom:security  A registry's agent costs an attacker nothing but the cooling-off: newcomers are bounded by their bucket,
                  never by their being registered.
"""

from ....interfaces import IPolicyAccount
from ....interfaces import IPolicyRules

interface IIdentity:
    def getAgentWallet(agent_id: uint256) -> address: view

_UNKNOWN: constant(uint8) = 0
_ALLOWED: constant(uint8) = 1
_DENIED: constant(uint8) = 2
_SUPERVISED: constant(uint8) = 3
_AUTONOMOUS: constant(uint8) = 4
_APPROVED: constant(uint8) = 2
_KIND_PAYEE: constant(uint8) = 16
_M160: constant(uint256) = 2**160 - 1

_standings: HashMap[address, HashMap[address, uint256]]  # expires << 8 | standing
_registries: HashMap[address, uint256]                   # cooling-off << 160 | registry
_agents: HashMap[address, HashMap[address, HashMap[address, uint256]]]  # account, registry, wallet: the agent's id
_usable: HashMap[address, HashMap[address, HashMap[address, uint64]]]   # 0: never introduced


@external
def set_payee(account: address, payee: address, standing: uint8, expires: uint64):
    assert standing <= _DENIED, "payees: no such standing"
    word: uint256 = self._standings[account][payee]
    was: uint256 = word & 255
    until: uint256 = convert(expires, uint256)
    is_raise: bool = (
        standing == _ALLOWED and (was != convert(_ALLOWED, uint256) or until > word >> 8)
        or standing == _UNKNOWN and was == convert(_DENIED, uint256)
    )
    is_let: bool = staticcall IPolicyAccount(account).check_setter(msg.sender, is_raise)
    self._standings[account][payee] = until << 8 | convert(standing, uint256)
    log IPolicyRules.PayeeSet(account=account, payee=payee, standing=standing, expires=expires)
    extcall IPolicyAccount(account).note(_KIND_PAYEE, payee, keccak256(abi_encode(standing, expires)))


@external
def set_newcomers(account: address, registry: address, cooling_off_s: uint32):
    is_let: bool = staticcall IPolicyAccount(account).check_setter(msg.sender, registry != empty(address))
    self._registries[account] = convert(cooling_off_s, uint256) << 160 | convert(registry, uint256)
    log IPolicyRules.NewcomersSet(account=account, registry=registry, cooling_off_s=cooling_off_s)
    extcall IPolicyAccount(account).note(_KIND_PAYEE, registry, keccak256(abi_encode(cooling_off_s)))


@external
def introduce(account: address, agent_id: uint256) -> address:
    word: uint256 = self._registries[account]
    registry: address = convert(word & _M160, address)
    assert registry != empty(address), "payees: no registry"
    payee: address = staticcall IIdentity(registry).getAgentWallet(agent_id)
    assert payee != empty(address), "payees: no wallet"
    if self._usable[account][registry][payee] == 0 or self._agents[account][registry][payee] != agent_id:
        usable_at: uint64 = convert(block.timestamp + (word >> 160), uint64)
        self._agents[account][registry][payee] = agent_id
        self._usable[account][registry][payee] = usable_at
        log IPolicyRules.Introduced(account=account, payee=payee, agent_id=agent_id, usable_at=usable_at)
    return payee


@view
@external
def payee_of(account: address, payee: address) -> (uint8, uint64):
    word: uint256 = self._standings[account][payee]
    return convert(word & 255, uint8), convert(word >> 8, uint64)


@view
@external
def is_payee(account: address, payee: address) -> bool:
    return self._is_allowed(self._standings[account][payee])


@view
@external
def newcomers_of(account: address) -> (address, uint32):
    word: uint256 = self._registries[account]
    return convert(word & _M160, address), convert(word >> 160, uint32)


@view
@external
def newcomer_of(account: address, payee: address) -> (uint256, uint64):
    registry: address = convert(self._registries[account] & _M160, address)
    return self._agents[account][registry][payee], self._usable[account][registry][payee]


@view
@internal
def _is_newcomer(account: address, level: uint8, payee: address, passes: uint8) -> bool:
    """
    @dev Return whether a payee is paid as a newcomer; revert if it is not to be paid.
    """
    word: uint256 = self._standings[account][payee]
    assert word & 255 != convert(_DENIED, uint256), "payees: denied"
    if passes == _APPROVED or level >= _AUTONOMOUS or self._is_allowed(word):
        return False
    registry: address = convert(self._registries[account] & _M160, address)
    usable_at: uint256 = convert(self._usable[account][registry][payee], uint256)
    assert level >= _SUPERVISED and usable_at != 0, "payees: not allowed"
    assert usable_at <= block.timestamp, "payees: cooling off"
    assert (
        staticcall IIdentity(registry).getAgentWallet(self._agents[account][registry][payee]) == payee
    ), "payees: not allowed"
    return True


@view
@internal
def _is_allowed(word: uint256) -> bool:
    return word & 255 == convert(_ALLOWED, uint256) and block.timestamp <= word >> 8
