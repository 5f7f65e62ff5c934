"""Whatever differs between two files, making the difference leads from one to the other, and nothing is left."""

from __future__ import annotations

import os
from random import Random

import pytest

from tallystick.agents.policy import read_policy, write_policy
from tests.agents.policy.account_kit import DAY_S, Owner, World

RUNS = 40 if os.environ.get("TALLYSTICK_LONG") else 3
EDITS = (
    ('cap = "100"', 'cap = "250"'),
    ('cap = "100"', 'cap = "7"'),
    ('lifetime = "5000"', 'lifetime = "4999"'),
    ('lifetime = "5000"\n', ""),
    ('refill = "50"\nperiod = "1d"', 'refill = "50"\nperiod = "2d"'),
    ('refill = "0.05"', 'refill = "0.06"'),
    ("expires = 2027-06-01", "expires = 2027-07-01"),
    ("[payees.crook]", "[payees.friend]"),
    ("denied = true\n", ""),
    ('call_cap = "25"', 'call_cap = "26"'),
    ('call_cap = "25"', 'call_cap = "1"'),
    ("pulls = true\n", ""),
    ('min_level = "supervised"', 'min_level = "autonomous"'),
    ('value_cap = "0.01"', 'value_cap = "0.02"'),
    ('level = "bounded"', 'level = "observe"'),
    ('level = "supervised"\nvalid_until', 'level = "autonomous"\nvalid_until'),
    ("max = 100", "max = 101"),
    ('heartbeat = "30d"\n', ""),
    ('max = 10, per = "1d"', 'max = 11, per = "1d"'),
    ("threshold = 1", "threshold = 2"),
    ('veto_delay = "1d"', 'veto_delay = "2d"'),
    ('raise_delay = "1d"', 'raise_delay = "2h"'),
    ('cooling_off = "3d"', 'cooling_off = "1d"'),
    ('cap = "5"\nrefill = "5"', 'cap = "6"\nrefill = "1"'),
)


@pytest.mark.parametrize("seed", range(RUNS))
def test_a_difference_that_is_made_leads_to_the_file_and_back(world: World, seed: int) -> None:
    owner, random = Owner(world), Random(seed)
    owner.begin(owner.policy())
    text = write_policy(owner.policy()).decode()
    for old, new in random.sample(EDITS, random.randint(4, 12)):
        text = text.replace(old, new, 1)
    wanted = read_policy(text.encode())
    for target in (wanted, owner.policy()):
        for _ in range(4):  # a raise waits, and one raise may be what another waits for
            owner.apply(target)
            owner.wait(DAY_S)
        live = owner.live(target)
        assert not live.plan_to(target)
        assert live.policy.digest() == target.digest()
