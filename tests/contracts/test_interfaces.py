"""House rules of contracts: what an interface promises is what the sources do and what the tests have seen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tallystick.contracts as contracts
from tallystick.chain.deploy import has_coin, relies_on_identity
from tallystick.contracts import artifact, names, source

TESTS = "\n".join(path.read_text("utf-8") for path in sorted(Path(__file__).parent.glob("test_*.py")))
SPEC = Path(__file__).resolve().parents[2] / "docs" / "spec"
HOLDS_MONEY = {"Committee", "OptimisticModel", "PaymentChannels", "PolicyAccount"}
TAKES_NONE = {"DirectModel"}
CHOSEN = {  # by whoever deploys, for ever
    "Token": {"name", "symbol", "decimals", "_NAME_HASH"},
    "PolicyAccount": {"entry_point", "rules", "queue", "changes", "relay"},
    "PolicyAccountFactory": {"implementation"},
    "PolicyChanges": {"rules", "queue"},
}
MAKES_OTHERS = {"PolicyAccountFactory"}
REASON = re.compile(r'"([a-z0-9]+: [a-z ]+)"')
PROMISED = re.compile(r"`([a-z0-9]+: [a-z ]+)`")


def implementation(name):
    return "\n".join(source(name, path) for path in artifact(name).sources if path.startswith("src/"))


def interface(name):
    """Return what the contract promises: its own interface, and those that it shares with others."""
    shared = re.findall(r"(?m)^implements: (IAssurance)$", source(name, f"src/{name}.vy"))
    return "\n".join(source(name, f"interfaces/{one}.vyi") for one in [f"I{name}", *shared])


@pytest.mark.parametrize("name", names())
def test_every_reason_is_in_the_interface_in_the_spec_and_in_a_test(name):
    reasons = set(REASON.findall(implementation(name)))
    assert reasons == set(PROMISED.findall(interface(name))) - {"module: reason"}
    assert reasons
    spec = SPEC.joinpath(re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower() + ".md").read_text("utf-8")
    assert [reason for reason in sorted(reasons) if f"`{reason}`" not in spec] == []
    assert [reason for reason in sorted(reasons) if f'"{reason}"' not in TESTS] == []


@pytest.mark.parametrize("name", names())
def test_a_reason_fits_one_word(name):
    assert all(len(reason) <= 32 for reason in REASON.findall(implementation(name)))


@pytest.mark.parametrize("name", names())
def test_no_assertion_is_without_a_reason(name):
    text = implementation(name)
    plain = re.findall(r"(?m)^ +assert .*[^(]$", text)
    assert [line for line in plain if not REASON.search(line)] == []
    spread = re.findall(r"(?ms)^ +assert \($.*?^ +\)(.*?)$", text)
    assert [end for end in spread if not REASON.search(end)] == []
    assert not re.search(r"(?m)^ +raise\b", text)


@pytest.mark.parametrize("name", names())
def test_every_event_is_declared_in_the_interface_emitted_and_tested(name):
    declared = set(re.findall(r"(?m)^event (\w+):", interface(name)))
    assert set(re.findall(rf"log (?:I{name}|IERC721)\.(\w+)\(", implementation(name))) == declared
    assert not re.findall(r"(?m)^event ", implementation(name))
    assert [event for event in sorted(declared) if not re.search(rf"\b{event}\(", TESTS)] == []


@pytest.mark.parametrize("name", names())
def test_a_shell_states_its_invariant_its_end_and_its_known_limits(name):
    shell = source(name, f"src/{name}.vy")
    for tag in ("@custom:invariant", "@custom:kill", "@custom:security", "@license Apache-2.0"):
        assert tag in shell


def test_every_module_states_an_invariant():
    for path in (Path(contracts.__file__).parent / "src").rglob("*.vy"):
        assert "@custom:invariant" in path.read_text("utf-8"), path.name


@pytest.mark.parametrize("name", names())
def test_nobody_has_power_over_the_contract(name):
    text = implementation(name)
    for word in ("selfdestruct", "create_", "delegatecall", "is_delegate_call"):
        assert word not in text or (word == "create_" and name in MAKES_OTHERS), word
    # Whoever deploys chooses nothing but the coin, or what the coin is.
    chosen = {"coin"} if has_coin(name) else CHOSEN.get(name, set())
    assert set(re.findall(r"(?m)^(\w+): .*immutable\(", text)) == chosen
    made = ["def __init__(coin: address):", "def __init__(coin_: address):"] if has_coin(name) else []
    made += 2 * ["def __init__(identity_registry: address):"] if relies_on_identity(name) else []
    assert name in CHOSEN or sorted(re.findall(r"@deploy\n(.*)", text)) == made


@pytest.mark.parametrize("name", names())
def test_only_a_contract_that_holds_money_takes_any(name):
    takes = re.findall(r"@payable\n@external\ndef (\w+)", implementation(name))
    assert bool(takes) == (name in {*HOLDS_MONEY, *TAKES_NONE})
    assert bool(re.search(r"\bvalue=", implementation(name))) == (name in HOLDS_MONEY)
    if name in TAKES_NONE:  # its ask has the form of those that are paid, and begins by refusing
        assert re.findall(r"\n    assert msg\.value == 0, .*", implementation(name))
        assert takes == ["ask"]
