# pragma version 0.4.3
# Says which samples a person looks at first. To miss a tumour is worse than to look again, so not the network's decision
# counts but its score: whatever is not benign beyond doubt is urgent. `doubt` is a score, below zero.
from tallystick.contracts.interfaces import IModel

MODEL: immutable(IModel)
DOUBT: immutable(int256)


@deploy
def __init__(kernel: address, digest: bytes32, doubt: int256):
    assert staticcall IModel(kernel).model_digest() == digest, "triage: another model"
    MODEL = IModel(kernel)
    DOUBT = doubt


@view
@external
def is_urgent(sample: Bytes[30]) -> bool:
    return (staticcall MODEL.predict(sample))[1] > DOUBT
