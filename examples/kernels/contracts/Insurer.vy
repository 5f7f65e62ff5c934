# pragma version 0.4.3
# Insures a shipment against delay, unless the forest says that it will be late. The dispatcher, who weighs and routes it,
# says what is known of it; whoever wants the insurance does not.
from tallystick.contracts.interfaces import IModel

MODEL: immutable(IModel)
DISPATCHER: immutable(address)
is_insured: public(HashMap[bytes32, bool])


@deploy
def __init__(kernel: address, digest: bytes32, dispatcher: address):
    assert staticcall IModel(kernel).model_digest() == digest, "insurer: another model"
    MODEL = IModel(kernel)
    DISPATCHER = dispatcher


@external
def insure(parcel: bytes32, shipment: Bytes[22]):
    assert msg.sender == DISPATCHER, "insurer: not the dispatcher"
    assert (staticcall MODEL.predict(shipment))[0] == 0, "insurer: likely to be late"
    self.is_insured[parcel] = True
