"""Benches ask one question each, are found by being there, and answer in one shape."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benches.__main__ import environment, find
from tests.house import tree

BENCHES = sorted(find())


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_asks_one_question_and_says_what_it_is(name: str) -> None:
    bench = find()[name]
    assert bench.QUESTION.endswith("?")
    assert "\n" not in bench.QUESTION
    assert bench.__doc__
    assert bench.run.__doc__


def test_the_benches_of_core_are_found() -> None:
    assert {"canonical", "merkle"} <= set(BENCHES)


def test_a_bench_answers_in_figures_beside_those_of_its_peer() -> None:
    command = [sys.executable, "-m", "benches", "merkle", "--quick", "--json"]
    done = subprocess.run(command, cwd=tree.ROOT, capture_output=True, text=True, timeout=120, check=True)
    answer = json.loads(done.stdout)
    assert set(answer["environment"]) >= {"processor", "cores", "python", "file_system", "load_average"}
    result = answer["results"]["merkle"]
    assert all(isinstance(value, int | float) and value > 0 for value in result["figures"].values())
    assert set(result["peer"]) & set(result["figures"])
    assert all(isinstance(note, str) for note in result["notes"])


def test_a_bench_that_does_not_exist_is_refused_by_name() -> None:
    command = [sys.executable, "-m", "benches", "nothing"]
    done = subprocess.run(command, cwd=tree.ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "nothing" in done.stderr


def test_the_environment_names_the_file_system_that_is_written_to() -> None:
    assert environment()["file_system"]
