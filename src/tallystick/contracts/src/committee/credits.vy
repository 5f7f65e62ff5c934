# pragma version 0.4.3
"""
@title   Credits: coins that wait for their owners
@license Apache-2.0
@notice  What requests and proofs award is credited here and fetched by its owner, so that an account which cannot
         receive holds nobody else up.
@custom:invariant Each credit is paid once; a refused transfer reverts and leaves the credit.
@custom:security  The receiver is called after every effect, so re-entering sees finished state.
"""

from ...interfaces import ICommittee
from .. import coins

uses: coins

_credits: HashMap[address, uint256]


@external
def collect() -> uint256:
    amount: uint256 = self._credits[msg.sender]
    assert amount != 0, "credits: nothing to collect"

    self._credits[msg.sender] = 0

    log ICommittee.Collected(account=msg.sender, amount=amount)
    coins._send(msg.sender, amount)
    return amount


@view
@external
def credit_of(account: address) -> uint256:
    return self._credits[account]


@internal
def _credit(account: address, amount: uint256):
    self._credits[account] += amount
