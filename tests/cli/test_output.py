"""What commands print when nobody lays the result out for them."""

from __future__ import annotations

from tallystick.cli.output import Output


def test_members_are_lines_and_their_members_are_indented_lines(capsys) -> None:
    Output().result({"account": "0x1", "contracts": {"Log": "0x2", "Registry": "0x3"}, "empty": {}})
    assert capsys.readouterr().out.splitlines() == [
        "account    0x1",
        "contracts",
        "  Log       0x2",
        "  Registry  0x3",
        "empty      {}",
    ]


def test_programs_get_the_same_as_one_object(capsys) -> None:
    Output(json=True).result({"contracts": {"Log": "0x2"}})
    assert capsys.readouterr().out == '{"contracts":{"Log":"0x2"}}\n'
