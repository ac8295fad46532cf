"""The list of deliberate faults fits the code: each applies, and names tests that are there."""

import ast
from pathlib import Path

import pytest
from benchmarks.mutants import ROOT, listed

MUTANTS = listed()


def test_there_are_enough_and_each_has_its_name():
    names = [one.name for one in MUTANTS]

    assert len(names) >= 20
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_a_mutant_still_applies(mutant):
    text = (ROOT / mutant.file).read_text()

    changed = mutant.applied(text)

    assert changed != text
    ast.parse(changed)  # a fault of syntax would be caught by anything
    assert mutant.breaks.partition(":")[0] in {
        "loss", "twice", "order", "same", "bytes", "bounded", "told",
    }  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_the_tests_that_must_catch_a_mutant_are_there(mutant):
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        tree = ast.parse((ROOT / file).read_text())
        tests = {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}
        assert not name or name in tests, test
        assert Path(file).parts[0] == "tests"
