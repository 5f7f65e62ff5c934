# pragma version 0.4.3
"""
@title An account whose word on signatures depends on its mood
@dev   0: yes; 1: no; 2: yes while nobody pays for gas, as in a simulation, and no in a block; 3: yes, once all gas is
       burnt; 4: it reverts with nonsense
"""

YES: constant(bytes4) = 0x1626ba7e
NO: constant(bytes4) = 0xffffffff

mood: public(uint256)


@external
def set_mood(mood: uint256):
    self.mood = mood


@view
@external
def isValidSignature(digest: bytes32, signature: Bytes[1024]) -> bytes4:
    if self.mood == 1:
        return NO
    if self.mood == 2:
        return YES if tx.gasprice == 0 else NO
    if self.mood == 3:
        for i: uint256 in range(1_000_000):
            if msg.gas < 3_000:
                break
    if self.mood == 4:
        raw_revert(method_id("nonsense()"))
    return YES
