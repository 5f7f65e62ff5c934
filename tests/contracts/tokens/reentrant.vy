# pragma version 0.4.3
"""
@title   A token that calls whatever it was told to while it moves
@notice  `arm` sets one call for the next transfer: made before or after the balances change, once. What came of it is
         kept; where `insists` is true, a refused call reverts the transfer with it.
"""
import book

initializes: book
exports: (book.balanceOf, book.allowance, book.totalSupply, book.mint, book.approve, book.decimals)

struct Hook:
    target: address
    data: Bytes[4096]
    before: bool
    insists: bool


hook: Hook
attempts: public(uint256)
succeeded: public(uint256)
answer: public(Bytes[1024])


@external
def arm(target: address, data: Bytes[4096], before: bool, insists: bool):
    self.hook = Hook(target=target, data=data, before=before, insists=insists)


@external
def transfer(receiver: address, amount: uint256) -> bool:
    self._fire(True)
    book._move(msg.sender, receiver, amount)
    self._fire(False)
    return True


@external
def transferFrom(owner: address, receiver: address, amount: uint256) -> bool:
    self._fire(True)
    book._spend(owner, msg.sender, amount)
    book._move(owner, receiver, amount)
    self._fire(False)
    return True


@internal
def _fire(before: bool):
    hook: Hook = self.hook
    if hook.target == empty(address) or hook.before != before:
        return
    self.hook = empty(Hook)
    self.attempts += 1
    ok: bool = False
    answer: Bytes[1024] = b""
    ok, answer = raw_call(hook.target, hook.data, max_outsize=1024, revert_on_failure=False)
    assert ok or not hook.insists, "token: hook refused"
    self.answer = answer
    if ok:
        self.succeeded += 1
