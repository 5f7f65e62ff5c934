"""Builds all four kernels and prints the table of README.md: `python -m examples.kernels`; --write puts it there."""

from __future__ import annotations

import sys
from pathlib import Path

from examples.kernels.application import Application, Built, build, figures
from examples.kernels.delivery import DELIVERY
from examples.kernels.lending import LENDING
from examples.kernels.media import MEDIA
from examples.kernels.tumour import TUMOUR

README = Path(__file__).with_name("README.md")
APPLICATIONS: tuple[Application, ...] = (LENDING, TUMOUR, DELIVERY, MEDIA)
BEGIN, END = "<!-- table: made by python -m examples.kernels --write -->", "<!-- end of table -->"


def table(made: list[Built]) -> str:
    """Return the table: a column for each application, a row for each figure."""
    columns = [figures(built) for built in made]
    rows = list(dict.fromkeys(name for column in columns for name in column))
    names = [f"[{built.application.name}]({built.application.name}.py)" for built in made]
    contracts = [f"[{built.application.contract}](contracts/{built.application.contract})" for built in made]
    lines = [["", *names], ["---"] * (len(made) + 1)]
    lines += [[name, *(column.get(name, "") for column in columns)] for name in rows]
    lines.append(["contract that uses it", *contracts])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def shown(text: str) -> str:
    """Return the table that stands in README.md."""
    return text.partition(BEGIN)[2].partition(END)[0].strip()


def with_table(text: str, found: str) -> str:
    """Return README.md with another table."""
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    return f"{before}{BEGIN}\n\n{found}\n\n{END}{after}"


def main(is_to_write: bool) -> int:
    """Print the table, or put it into README.md."""
    found = table([build(application) for application in APPLICATIONS])
    if is_to_write:
        README.write_text(with_table(README.read_text("utf-8"), found), "utf-8")
    else:
        print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main("--write" in sys.argv[1:]))
