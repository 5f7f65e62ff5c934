"""A slip of the pen is never no limit: the unknown is refused with what was meant, names that look alike are told."""

from __future__ import annotations

import pytest

from tallystick.agents.policy import read_policy
from tallystick.agents.policy.checking import check_policy
from tallystick.core.errors import InvalidInput
from tests.agents.policy.policies import WHOLE, address


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ('cap = "100"', 'cpa = "100"', "did you mean cap?"),
        ("[queue]", "[queu]", "did you mean queue?"),
        ("[payees.shop.budgets.USD]", "[payees.shop.budget.USD]", "did you mean budgets?"),
        ("valid_until = 2027-05", "valid_untill = 2027-05", ""),  # what is missing is told first
        ("heartbeat", "heart_beat", "did you mean heartbeat?"),
        ("value_cap", "value_limit", "did you mean value_cap?"),
        ("heartbeat", "h" * 5_000, ""),
    ],
)
def test_an_unknown_member_is_refused_with_the_nearest_known_one(old: str, new: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read_policy(WHOLE.decode().replace(old, new, 1).encode())
    assert raised.value.code in ("document.unknown", "document.missing")
    assert raised.value.hint == hint


@pytest.mark.parametrize("name", ["\u0455hop", "sh\u043ep", "shop\u200b", "\uff53hop", "shop\u0301"])
def test_a_name_of_letters_that_only_look_like_ours_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read_policy(WHOLE.decode().replace("[payees.crook]", f'[payees."{name}"]').encode())
    assert raised.value.code == "policy.name"


@pytest.mark.parametrize("name", ["Shop", "sh0p", "s-hop", "s_hop"])
def test_names_that_look_alike_are_warned_of(name: str) -> None:
    policy = read_policy(WHOLE.decode().replace("[payees.crook]", f"[payees.{name}]").encode())
    (found,) = [one for one in check_policy(policy).findings if one.code == "names.alike"]
    assert (found.place, "taken for shop" in found.says) == (f"payees.{name}", True)


def test_one_address_under_two_names_is_no_confusion() -> None:
    text = WHOLE.decode().replace("[addresses]", f'[addresses]\nOps = "{address(12)}"')
    assert not [one for one in check_policy(read_policy(text.encode())).findings if one.code == "names.alike"]
