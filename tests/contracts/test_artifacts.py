"""Artifacts: what is deployed is what was committed, and what was committed is what the sources compile to."""

from __future__ import annotations

import json
import shutil
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from vyper.warnings import ContractSizeLimit

import tallystick.contracts as contracts
from tallystick.contracts import Kind, Status, artifact, names, source
from tallystick.core.errors import InvalidInput
from tests.contracts.constructors import immutables_of, initcode_of

PACKAGE = Path(contracts.__file__).parent
TOOLS = Path(__file__).resolve().parents[2] / "tools"
# What the contracts of others import and none of ours does; test_follow.py compiles them.
FOR_OTHERS = {"interfaces/IAnswerProof.vyi", "interfaces/IFollow.vyi", "src/kernels/follow.vy"}


def test_the_contracts_are_these():
    assert names() == (
        "AgentCredentials",
        "AgentIdentity",
        "AgentReputation",
        "AgentValidation",
        "Committee",
        "DirectModel",
        "KernelDirectory",
        "LogAnchor",
        "ModelRegistry",
        "OptimisticModel",
        "PaymentChannels",
        "PolicyAccount",
        "PolicyAccountFactory",
        "PolicyChanges",
        "PolicyQueue",
        "PolicyRelay",
        "PolicyRules",
        "SignedFeeds",
        "Token",
    )


def test_an_unknown_contract_or_source_is_named_in_the_refusal():
    for ask in (lambda: artifact("Bank"), lambda: source("Bank", "src/Bank.vy"), lambda: source("LogAnchor", "../x")):
        with pytest.raises(InvalidInput, match="no such") as caught:
            ask()
        assert caught.value.code == "contracts.unknown"


@pytest.mark.parametrize("name", names())
def test_the_code_on_chain_is_exactly_the_artifacts(ledger, name):
    address = ledger.deploy(initcode_of(name))
    assert ledger.node.code(address) == artifact(name).runtime_bytecode + immutables_of(name)


@pytest.mark.parametrize("name", names())
def test_every_source_is_carried_and_is_what_was_compiled(name):
    sources = artifact(name).sources
    assert {f"src/{name}.vy", f"interfaces/I{name}.vyi"} <= set(sources)
    for path in sources:
        assert source(name, path) == PACKAGE.joinpath(path).read_text("utf-8")


def test_no_source_lies_unused():
    used = {path for name in names() for path in artifact(name).sources}
    found = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.vy*")}
    assert found == used | FOR_OTHERS
    assert not used & FOR_OTHERS


def test_compiler_and_rules_are_written_down():
    for name in names():
        assert artifact(name).compiler == {
            "name": "vyper",
            "version": "0.4.3",
            "evm_version": "cancun",
            "optimization": "codesize" if name == "PolicyAccount" else "gas",  # as EIP-170 demands
        }


def test_kinds_and_status_are_named_as_the_interface_names_them():
    text = source("ModelRegistry", "interfaces/IModelRegistry.vyi")
    spelt = " ".join(text.replace("#", " ").split())
    kinds = ", ".join(f"{kind.name.lower()} {kind.value}" for kind in Kind)
    status = ", ".join(f"{one.name.lower()} {one.value}" for one in Status)
    assert f"Kinds: {kinds}." in spelt
    assert f"Status: {status} (0 never" in spelt


SHELL = """# pragma version 0.4.3
from . import part

@external
@view
def answer() -> uint256:
    return part._answer()
"""
PART = """# pragma version 0.4.3
@pure
@internal
def _answer() -> uint256:
    return 42
"""


@pytest.fixture
def build(tmp_path, capsys):
    """The build tool over two small contracts in a folder of its own; returns its exit status and what it printed."""
    shutil.copytree(TOOLS, tmp_path / "tools")
    sources = tmp_path / "src" / "tallystick" / "contracts" / "src"
    sources.mkdir(parents=True)
    (sources.parent / "artifacts").mkdir()
    (sources / "Small.vy").write_text(SHELL, "utf-8")
    (sources / "Other.vy").write_text(PART.replace("internal", "external").replace("_answer", "other"), "utf-8")
    (sources / "part.vy").write_text(PART, "utf-8")
    spec = spec_from_file_location("copied_build_artifacts", tmp_path / "tools" / "build_artifacts.py")
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert sources.parent == tool.CONTRACTS
    assert tool.main([]) == 0
    assert tool.main(["--check"]) == 0
    capsys.readouterr()
    return lambda *arguments: (tool.main(list(arguments)), capsys.readouterr().out)


def test_the_check_names_the_contract_and_the_field_that_differ(build, tmp_path):
    folder = tmp_path / "src" / "tallystick" / "contracts"
    part = folder / "src" / "part.vy"
    part.write_text(PART + "\n# a comment\n", "utf-8")
    status, said = build("--check")
    assert status == 1
    assert "Small.json: sources differs at src/part.vy" in said
    assert "bytecode" not in said  # a comment cannot move an address
    assert "Other" not in said

    part.write_text(PART.replace("42", "43"), "utf-8")
    edited = json.loads((folder / "artifacts" / "Other.json").read_text("utf-8")) | {"integrity": "0" * 64}
    (folder / "artifacts" / "Other.json").write_text(json.dumps(edited), "utf-8")
    (folder / "artifacts" / "Stray.json").write_text("{}", "utf-8")
    status, said = build("--check")
    assert status == 1
    assert "Small.json: runtime_bytecode differs" in said
    assert "Other.json: integrity differs" in said
    assert "Stray.json: has no source" in said

    (folder / "artifacts" / "Small.json").unlink()
    assert "Small.json: missing" in build("--check")[1]
    assert build()[0] == 0
    assert build("--check")[0] == 0
    assert not (folder / "artifacts" / "Stray.json").exists()


def test_a_contract_beyond_the_size_limit_is_not_built(build, tmp_path):
    big = f'@external\ndef big() -> String[25000]:\n    return "{"x" * 25_000}"\n'
    (tmp_path / "src" / "tallystick" / "contracts" / "src" / "Big.vy").write_text(
        "# pragma version 0.4.3\n" + big, "utf-8"
    )
    with pytest.raises(SystemExit, match="EIP-170 allows 24576"), pytest.warns(ContractSizeLimit):
        build()


def test_immutables_count_towards_the_size_limit(build, tmp_path):
    held = "A: immutable(uint256[5])\n\n@deploy\ndef __init__():\n    A = [1, 2, 3, 4, 5]\n"
    big = f'@external\ndef big() -> String[25000]:\n    return "{"x" * 21_000}"\n\n@external\ndef a() -> uint256:\n'
    path = tmp_path / "src" / "tallystick" / "contracts" / "src" / "Big.vy"
    path.write_text(f"# pragma version 0.4.3\n{big}    return 1\n", "utf-8")
    assert build()[0] == 0
    path.write_text(f"# pragma version 0.4.3\n{held}\n{big}    return A[0]\n", "utf-8")
    with pytest.raises(SystemExit, match="EIP-170 allows 24576"):
        build()
