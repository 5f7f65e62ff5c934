# pragma version 0.4.3
# Approves whom the released model approves. A kernel proves f(x), not x: only the underwriter, who checked the papers,
# says what x is; a borrower who could choose their own features would always be approved.
from tallystick.contracts.interfaces import IModel

MODEL: immutable(IModel)
UNDERWRITER: immutable(address)
is_approved: public(HashMap[address, bool])


@deploy
def __init__(kernel: address, digest: bytes32, underwriter: address):
    assert staticcall IModel(kernel).model_digest() == digest, "lender: another model"
    MODEL = IModel(kernel)
    UNDERWRITER = underwriter


@external
def decide(borrower: address, application: Bytes[38]):
    assert msg.sender == UNDERWRITER, "lender: not the underwriter"
    self.is_approved[borrower] = (staticcall MODEL.predict(application))[0] == 1
