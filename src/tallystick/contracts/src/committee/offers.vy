# pragma version 0.4.3
"""
@title   Offers: which provider answers for which model
@license Apache-2.0
@notice  A provider's own word on the models that it serves, its price, and the kernel that it lets judge it.
@custom:invariant No request names a member below its price, for a model that it does not serve, or under a judge that
                  it did not choose.
@custom:security  A kernel named here can take the provider's stake by what it answers: a provider reads its code first.
"""

from ...interfaces import ICommittee
from . import providers

uses: providers

_offers: HashMap[address, HashMap[bytes32, ICommittee.Offer]]  # provider, model


@external
def offer_model(model_digest: bytes32, fee_min: uint256, kernel: address):
    providers._check_known(msg.sender)
    self._offers[msg.sender][model_digest] = ICommittee.Offer(is_open=True, fee_min=fee_min, kernel=kernel)
    log ICommittee.ModelOffered(provider=msg.sender, model_digest=model_digest, fee_min=fee_min, kernel=kernel)


@external
def end_offer(model_digest: bytes32):
    self._offers[msg.sender][model_digest] = empty(ICommittee.Offer)
    log ICommittee.OfferEnded(provider=msg.sender, model_digest=model_digest)


@view
@external
def offer_of(provider: address, model_digest: bytes32) -> ICommittee.Offer:
    return self._offers[provider][model_digest]


@view
@internal
def _is_served(provider: address, model_digest: bytes32, fee: uint256, kernel: address) -> bool:
    offer: ICommittee.Offer = self._offers[provider][model_digest]
    return offer.is_open and fee >= offer.fee_min and (kernel == empty(address) or kernel == offer.kernel)
