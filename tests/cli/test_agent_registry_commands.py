"""An agent in public by the command line: registered and found, rated and scored, validated, attested."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.main import run
from tallystick.core.record import Record, RecordKind
from tallystick.tally import Tally

SERVICE = ("--service", "A2A=https://quotes.example.com/card.json", "--skill", "A2A=finance/quotes")
ABSENT = "no-such-file"


def opened() -> Tally:
    return Tally.open(Path(".tally"), lambda _: "")


@pytest.fixture(scope="module")
def registered_once(made_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with agent 0, called quotes, which nobody may write to."""
    path = Path(shutil.copytree(made_once, tmp_path_factory.mktemp("registered once") / ".tally"))
    said = ("--description", "Sells quotes.", *SERVICE, "--x402", "--trust", "reputation")
    assert run(["agent", "identity", "register", "quotes", *said, "-w", str(path)]) == 0
    return path


@pytest.fixture
def agent(tally: Any, registered_once: Path, tmp_path: Path) -> str:
    shutil.copytree(registered_once, tmp_path / ".tally")
    return "0"


def test_a_registered_agent_is_shown_with_a_file_that_is_its_own(tally: Any, agent: str) -> None:
    status, shown = tally("agent", "identity", "show", agent)
    assert (status, shown["is_verified"], shown["name"], shown["x402_support"]) == (0, True, "quotes", True)
    assert shown["wallet"] == shown["owner"]
    assert shown["uri"].startswith("data:application/json;base64,")
    assert [check["ok"] for check in shown["checks"]] == [True] * 5
    assert tally("agent", "identity", "show", shown["agent"])[1] == shown  # by its whole name
    other = shown["agent"].replace("eip155:1337", "eip155:1")
    assert tally("agent", "identity", "show", other)[1]["code"] == "agent.elsewhere"
    status, error = tally("agent", "identity", "show", "7")
    assert (status, error["code"], "find" in error["hint"]) == (3, "erc721: no such token", True)


def test_registering_again_finds_the_agent_and_never_changes_its_file(tally: Any, agent: str) -> None:
    before = tally("agent", "identity", "show", agent)[1]["uri"]
    said = ("--description", "Sells quotes.", *SERVICE, "--x402", "--trust", "reputation")
    status, again = tally("agent", "identity", "register", "quotes", *said)
    assert (status, again["agent_id"], again["uri"]) == (0, 0, before)
    status, error = tally("agent", "identity", "register", "quotes")
    assert (status, error["code"], "publish" in error["hint"]) == (2, "agent.registered", True)
    assert tally("agent", "identity", "register", "quotes", "--key", "second")[1]["agent_id"] == 1
    status, changed = tally("agent", "identity", "publish", agent, "--description", "Sells few quotes.", "--no-x402")
    assert (status, changed["description"], changed["x402_support"]) == (0, "Sells few quotes.", False)
    assert (changed["services"], changed["is_verified"]) == (again["services"], True)
    assert (
        tally("agent", "identity", "publish", agent, "--image", "x", "--as", "bob")[1]["code"]
        == "identity: not authorized"
    )


def test_a_file_that_lies_elsewhere_is_believed_under_its_digest_alone(tally: Any, agent: str) -> None:
    place = ("--uri", "https://quotes.example.com/agent.json", "--out", "agent.json")
    status, changed = tally("agent", "identity", "publish", agent, "--inactive", *place)
    assert (status, changed["uri"], changed["active"]) == (0, place[1], False)
    assert tally("agent", "identity", "show", agent)[0] == 1  # found among the evidence: the agent is not active
    assert tally("agent", "identity", "find", "--skill", "quotes")[1]["agents"] == []
    found = tally("agent", "identity", "find", "--skill", "quotes", "--inactive")[1]["agents"]
    assert [one["agent_id"] for one in found] == [0]
    assert tally("agent", "identity", "publish", agent, "--active", *place)[0] == 0
    data = Path("agent.json").read_bytes()
    assert tally("agent", "identity", "show", agent, "--file", "agent.json")[0] == 0
    Path("agent.json").write_bytes(data.replace(b"Sells", b"Gives"))
    status, shown = tally("agent", "identity", "show", agent, "--file", "agent.json")
    assert (status, [one["name"] for one in shown["checks"] if not one["ok"]]) == (1, ["digest"])
    shutil.rmtree(".tally/blobs")
    assert tally("agent", "identity", "find")[1]["agents"] == []
    assert tally("agent", "identity", "show", agent)[1]["checks"] == []
    status, error = tally("agent", "identity", "publish", agent)
    assert (status, error["code"]) == (2, "agent_file.absent")


@pytest.mark.parametrize(
    ("options", "is_found"),
    [
        (("--skill", "QUOTES"), True), (("--skill", "weather"), False), (("--service", "a2a"), True),
        (("--service", "mcp"), False), (("--name", "quo"), True), (("--name", "x"), False), (("--x402",), True),
        (("--trust", "reputation"), True), (("--trust", "tee-attestation"), False), (("--owner", "main"), True),
        (("--owner", "bob"), False), (("--wallet", "main"), True), (("--wallet", "bob"), False),
    ],
)  # fmt: skip
def test_agents_are_found_by_what_they_say(tally: Any, agent: str, options: tuple[str, ...], is_found: bool) -> None:
    found = tally("agent", "identity", "find", *options)[1]["agents"]
    assert [one["agent_id"] for one in found] == ([0] if is_found else [])


def test_who_shows_the_file_of_another_is_not_found(tally: Any, agent: str) -> None:
    uri = tally("agent", "identity", "show", agent)[1]["uri"]
    tally("agent", "identity", "register", "thief", "--as", "thief")
    tally("agent", "identity", "set-uri", "1", uri, "--as", "thief")
    tally("agent", "identity", "set-metadata", "1", "registrationSha256", "", "--as", "thief")
    assert [one["agent_id"] for one in tally("agent", "identity", "find", "--name", "quotes")[1]["agents"]] == [0]
    status, shown = tally("agent", "identity", "show", "1")
    assert (status, shown["is_verified"]) == (1, False)
    tally("agent", "identity", "set-uri", "1", "data:text/html,<b>", "--as", "thief")
    assert tally("agent", "identity", "show", "1")[0] == 1
    assert len(tally("agent", "identity", "find")[1]["agents"]) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("register", "a", "--service", "A2A"), "cli.pair"),
        (("register", "a", "--skill", "A2A=x"), "cli.service"),
        (("register", "a", "--from", ABSENT), "files.missing"),
        (("register", "a" * 300), "document.length"),
        (("register", "a", "--description", "x" * 3_000), "agent_file.embedded"),
        (("show", "-1"), "cli.usage"),
        (("show", "zero"), "agent.reference"),
        (("set-metadata", "0", "agentWallet", "x"), "metadata: reserved key"),
        (("set-metadata", "0", "k", "0g", "--hex"), "cli.hex"),
        (("set-wallet", "0", "nobody"), "agent.wallet"),
        (("set-wallet", "0", "main", "--signature", "01"), "cli.proof"),
        (("claim-name", "0", "Quotes.example.com"), "agent.domain"),
        (("set-key", "0"), "cli.key"),
        (("set-key", "0", "--public", "00"), "agent.key"),
        (("transfer", "0", "bob"), "cli.usage"),
        (("transfer", "0", "bob", "--yes", "--as", "bob"), "erc721: not owner or approved"),
    ],
)
def test_what_is_wrong_about_an_identity_is_said(tally: Any, agent: str, arguments: tuple[str, ...], code: str) -> None:
    status, error = tally("agent", "identity", *arguments)
    assert (status in (2, 3), error["code"]) == (True, code)


def test_a_wallet_belongs_to_an_agent_by_its_own_word(tally: Any, agent: str) -> None:
    till = tally("agent", "identity", "set-wallet", agent, "till", "--key")[1]["wallet"]
    assert tally("agent", "identity", "show", agent)[1]["wallet"] == till
    claim = tally("agent", "identity", "wallet-claim", agent, "bob")[1]
    with opened() as one:
        from tallystick.core.eip712 import sign_digest

        good = sign_digest(one.secret("bob").reveal(), bytes.fromhex(claim["digest"])).hex()
    proof = ("--deadline", str(claim["deadline"]), "--signature")
    status, error = tally("agent", "identity", "set-wallet", agent, "thief", *proof, good)
    assert (status, error["code"]) == (3, "wallets: wallet has not signed")
    assert tally("agent", "identity", "set-wallet", agent, "bob", *proof, good)[1]["wallet"] == claim["wallet"]
    assert tally("agent", "identity", "unset-wallet", agent, "--yes")[0] == 0
    assert tally("agent", "identity", "show", agent)[1]["wallet"] == "0x" + "00" * 20


def test_a_policy_account_becomes_an_agents_wallet_once_it_is_sealed(tally: Any, agent: str) -> None:
    made = tally("agent", "wallet", "create", "bot", "--guardian", "guard")[1]
    status, error = tally("agent", "identity", "set-wallet", agent, "bot")
    assert (status, error["code"], "seal" in error["hint"]) == (2, "agent.unsealed", True)
    assert tally("agent", "wallet", "seal", "bot", "--yes")[0] == 0
    assert tally("agent", "identity", "set-wallet", agent, "bot")[1]["wallet"] == made["wallet"]
    assert tally("agent", "identity", "find", "--wallet", made["wallet"])[1]["agents"][0]["agent_id"] == 0
    assert tally("agent", "identity", "transfer", agent, "bob", "--yes")[0] == 0
    assert tally("agent", "identity", "show", agent)[1]["wallet"] == "0x" + "00" * 20


def test_a_name_means_the_agent_that_its_domain_lists(tally: Any, agent: str) -> None:
    assert tally("agent", "identity", "claim-name", agent, "quotes.example.com")[0] == 0
    tally("agent", "identity", "register", "thief", "--as", "thief")
    tally("agent", "identity", "claim-name", "1", "quotes.example.com", "--as", "thief")
    assert tally("agent", "identity", "domain-proof", agent, "--out", "proof.json")[0] == 0
    status, found = tally("agent", "identity", "resolve", "quotes.example.com", "proof.json")
    assert (status, found["agent_id"]) == (0, 0)
    assert tally("agent", "identity", "check-domain", agent, "quotes.example.com", "proof.json")[0] == 0
    assert tally("agent", "identity", "check-domain", "1", "quotes.example.com", "proof.json")[0] == 1
    Path("none.json").write_text('{"registrations":[]}', "utf-8")
    status, error = tally("agent", "identity", "resolve", "quotes.example.com", "none.json")
    assert (status, error["code"]) == (5, "agent.name_unconfirmed")
    assert tally("agent", "identity", "resolve", "other.example.com", "proof.json")[1]["code"] == "agent.name_unknown"


def test_keys_of_an_agent_have_their_times_and_end_with_a_sale(tally: Any, agent: str) -> None:
    first = tally("agent", "identity", "set-key", agent, "one")[1]["key"]
    second = tally("agent", "identity", "set-key", agent, "two")[1]["key"]
    listed = tally("agent", "identity", "keys", agent)[1]["keys"]
    assert [(one["key"], one["until_block"] is None) for one in listed] == [(first, False), (second, True)]
    tally("agent", "identity", "transfer", agent, "bob", "--yes")
    assert tally("agent", "identity", "keys", agent)[1]["keys"][1]["until_block"] is not None
    assert tally("agent", "identity", "set-key", agent, "--revoke", "--as", "bob")[1]["key"] == ""


def test_clients_speak_take_it_back_and_are_answered(tally: Any, agent: str) -> None:
    status, error = tally("agent", "feedback", "give", agent, "95")
    assert (status, error["code"]) == (3, "feedback: own agent")
    status, said = tally("agent", "feedback", "give", agent, "95.5", "--as", "bob", "--endpoint", "https://x/")
    assert (status, said["index"], said["is_paid"]) == (0, 1, False)
    assert json.loads(said["file"])["value"] == "955"
    assert tally("agent", "feedback", "give", agent, "-3.25", "--as", "bob", "--tag", "profit")[1]["index"] == 2
    Path("sorry.json").write_text('{"refunded": true}', "utf-8")
    assert tally("agent", "feedback", "respond", agent, "bob", "2", "--file", "sorry.json")[0] == 0
    assert tally("agent", "feedback", "respond", agent, "bob", "2")[1]["code"] == "cli.response"
    assert tally("agent", "feedback", "revoke", agent, "1", "--as", "bob")[1]["code"] == "cli.usage"  # it asks
    assert tally("agent", "feedback", "revoke", agent, "1", "--as", "bob", "--yes")[0] == 0
    assert tally("agent", "feedback", "revoke", agent, "1", "--yes")[1]["code"] == "feedback: no such feedback"
    listed = tally("agent", "feedback", "list", agent)[1]["feedback"]
    seen = [(one["value"], one["tag1"], one["revoked"], one["responses"]) for one in listed]
    assert seen == [("95.5", "starred", True, 0), ("-3.25", "profit", False, 1)]
    assert len(tally("agent", "feedback", "list", agent, "--tag", "profit")[1]["feedback"]) == 1
    assert tally("agent", "feedback", "check", agent, "bob", "2")[0] == 0
    assert tally("agent", "feedback", "check", agent, "bob", "3")[1]["code"] == "feedback.absent"


@pytest.mark.parametrize("value", ["", "x", "-", "--5", "1e3", "01", "1.", ".5", "1" * 40, "1." + "0" * 19, "NaN", "٣"])
def test_what_is_no_value_is_refused(tally: Any, agent: str, value: str) -> None:
    assert tally("agent", "feedback", "give", agent, value, "--as", "bob")[1]["code"] == "cli.value"


def test_a_file_that_its_client_serves_is_kept_before_anything_is_sent(tally: Any, agent: str) -> None:
    place = ("--uri", "https://bob.example.com/1.json")
    assert tally("agent", "feedback", "give", agent, "9", "--as", "bob", *place)[1]["code"] == "cli.out"
    assert tally("agent", "feedback", "give", agent, "9", "--as", "bob", *place, "--out", "1.json")[0] == 0
    assert tally("agent", "feedback", "check", agent, "bob", "1")[0] == 1  # nobody fetched it
    assert tally("agent", "feedback", "check", agent, "bob", "1", "--file", "1.json")[0] == 0
    Path("1.json").write_bytes(Path("1.json").read_bytes().replace(b'"9"', b'"8"'))
    assert tally("agent", "feedback", "check", agent, "bob", "1", "--file", "1.json")[0] == 1


def test_a_validation_is_rechecked_down_to_the_receipt_and_the_version(tally: Any, agent: str) -> None:
    with opened() as one:
        folder = Path("model")
        folder.mkdir()
        (folder / "weights.bin").write_bytes(b"w" * 64)
        statement = one.models.add_version(one.models.register("m"), folder).statement
        one.inference.open()
        fields = (b"n" * 16, b"r" * 16, b"i" * 32, b"o" * 32, b"p" * 32)
        one.inference.append([Record(RecordKind.PREDICTION, at, statement, *fields).to_bytes() for at in range(5)])
        Path("early.json").write_bytes(one.inference.receipt(3).to_bytes())
    about = ("--receipt", "early.json", "--model", "1@1")
    status, error = tally("agent", "validation", "request", agent, "val", *about)
    assert (status, error["code"], "anchor" in error["hint"]) == (2, "validation.unanchored", True)
    assert tally("log", "anchor")[0] == 0
    status, asked = tally("agent", "validation", "request", agent, "val", *about, "--out", "subject.json")
    assert (status, json.loads(asked["document"])["entry"]["index"]) == (0, 3)
    request = asked["request"]
    assert tally("agent", "validation", "show", request)[1]["response"] is None
    status, report = tally("agent", "validation", "verify", request, "--receipt", "early.json")
    assert (status, [check["name"] for check in report["checks"] if not check["ok"]]) == (1, ["answer"])
    status, error = tally("agent", "validation", "respond", request, "100")
    assert (status, error["code"]) == (3, "validation: not the validator")
    status, answered = tally("agent", "validation", "respond", request, "0", "--as", "val", "--tag", "re-run")
    assert (status, answered["response"], answered["tag"]) == (0, 0, "re-run")
    assert tally("agent", "validation", "list", agent)[1]["validations"][0]["response"] == 0
    status, report = tally("agent", "validation", "verify", request, "--receipt", "early.json")
    assert (status, report["checks_passed"]) == (0, 8)
    assert tally("agent", "validation", "verify", request)[0] == 1  # the receipt is not at hand
    Path("subject.json").write_bytes(Path("subject.json").read_bytes().replace(b'"index":3', b'"index":2'))
    assert tally("agent", "validation", "verify", request, "--document", "subject.json")[0] == 1


def test_what_a_validator_wrote_cannot_move_the_cursor(tally: Any, agent: str, capsys: Any) -> None:
    Path("here").write_bytes(b"an artifact")
    asked = tally("agent", "validation", "request", agent, "val", "--artifact", "here")[1]["request"]
    tally("agent", "validation", "respond", asked, "1", "--as", "val", "--tag", "\x1b[2Jgood")
    capsys.readouterr()
    assert run(["agent", "validation", "show", asked]) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("request", "0", "main", "--artifact", "here"), "validation: own agent"),
        (("request", "0", "val", "--artifact", "here", "--as", "bob"), "validation: not authorized"),
        (("request", "0", "val"), "validation.empty"),
        (("request", "0", "val", "--artifact", ABSENT), "files.missing"),
        (("request", "0", "val", "--artifact", "here", "--uri", "https://x/"), "cli.out"),
        (("request", "0", "val", "--receipt", "here"), "canonical.json"),
        (("show", "00"), "cli.request"),
        (("show", "00" * 32), "validation: unknown request"),
        (("respond", "00" * 32, "101"), "cli.usage"),
        (("verify", "00" * 32), "validation.document"),
    ],
)
def test_what_is_wrong_about_a_validation_is_said(
    tally: Any, agent: str, arguments: tuple[str, ...], code: str
) -> None:
    Path("here").write_bytes(b"an artifact")
    status, error = tally("agent", "validation", *arguments)
    assert (status in (2, 3), error["code"]) == (True, code)


def test_a_credential_says_who_operates_to_whom_it_concerns(tally: Any, agent: str) -> None:
    issue = ("agent", "credential", "issue", agent, "--name", "Example GmbH", "--jurisdiction", "DE", "--out", "c.json")
    status, error = tally(*issue, "--as", "notary")
    assert (status, error["code"], Path("c.json").exists()) == (3, "issuers: not named", False)
    assert tally("agent", "credential", "name-issuer", "Notary", "--as", "notary")[0] == 0
    assert tally("agent", "credential", "name-issuer", "Other", "--as", "notary")[1]["code"] == "issuers: already named"
    assert tally(*issue, "--as", "notary", "--valid", "800d")[1]["code"] == "credentials: lasts too long"
    status, issued = tally(*issue, "--as", "notary")
    assert (status, issued["is_valid"], issued["jurisdiction"], issued["issuer_name"]) == (0, True, "DE", "Notary")
    assert Path("c.json").stat().st_mode & 0o077 == 0
    assert tally(*issue, "--as", "notary")[1]["code"] == "cli.exists"
    verify = ("agent", "credential", "verify", "1", "c.json", "--issuer")
    status, checked = tally(*verify, "notary")
    assert (status, checked["operator"], checked["checks_passed"]) == (0, "Example GmbH", 5)
    status, checked = tally(*verify, "bob")
    assert (status, "operator" in checked, checked["checks_passed"]) == (1, False, 4)
    assert [one["id"] for one in tally("agent", "credential", "list", agent)[1]["credentials"]] == [1]
    revoke = ("agent", "credential", "revoke", "1", "--reason", "dissolved")
    assert tally(*revoke, "--yes")[1]["code"] == "credentials: not the issuer"
    assert tally(*revoke, "--as", "notary")[1]["code"] == "cli.usage"  # it asks
    assert tally(*revoke, "--as", "notary", "--yes")[1]["is_valid"] is False
    assert tally(*verify, "notary")[0] == 1
    assert tally("agent", "credential", "list", agent)[1]["credentials"] == []
    assert tally("agent", "credential", "show", "2")[1]["code"] == "credentials: unknown"


def test_a_credential_ends_with_the_sale_and_with_the_holders_will(tally: Any, agent: str) -> None:
    tally("agent", "credential", "name-issuer", "Notary", "--as", "notary")
    said = ("--name", "Example GmbH", "--jurisdiction", "DE", "--as", "notary")
    for out in ("1.json", "2.json"):
        assert tally("agent", "credential", "issue", agent, *said, "--out", out)[0] == 0
    renounce = ("agent", "credential", "renounce", "1", "--reason", "wrong", "--yes")
    assert tally(*renounce, "--as", "notary")[1]["code"] == "credentials: not the holder"
    assert tally(*renounce)[1]["is_valid"] is False
    tally("agent", "identity", "transfer", agent, "bob", "--yes")
    assert tally("agent", "credential", "show", "2")[1]["is_valid"] is False
    assert tally("agent", "credential", "list", agent)[1]["credentials"] == []
    status, error = tally("agent", "credential", "verify", "2", ".tally/config.toml", "--issuer", "notary")
    assert (status, error["code"]) == (2, "canonical.json")


def test_a_workspace_that_knows_no_registries_says_what_to_do(tally: Any) -> None:
    assert tally("init", "--chain", "embedded")[0] == 0
    shutil.rmtree(".tally/deployments")
    status, error = tally("agent", "identity", "find", "--no-sync")
    assert (status, error["code"]) == (2, "deployments.absent")
    status, error = tally("agent", "identity", "show", "0")
    assert (status, error["code"], "tally chain deploy" in error["hint"]) == (2, "deployments.absent", True)
    assert "AgentIdentity" in tally("chain", "deploy")[1]
    assert tally("agent", "identity", "find")[1]["agents"] == []
