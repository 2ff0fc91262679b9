"""Ids of forms, and clauses for them."""

from __future__ import annotations

from collections import Counter

from pvasm.isa.semantics.all_clauses import clauses
from pvasm.isa.table import all_forms


def test_no_two_rows_have_an_id() -> None:
    assert [name for name, count in Counter(form.id for form in all_forms()).items() if count > 1] == []


def test_clauses_are_of_forms_that_there_are() -> None:
    assert clauses().keys() - {form.id for form in all_forms()} == set()
