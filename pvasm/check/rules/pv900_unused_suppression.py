"""PV900: a suppression that hides nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from pvasm.check.codes import covered, is_known
from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule, all_rules
from pvasm.check.subject import Subject
from pvasm.check.suppression import Suppression


class UnusedSuppression(Rule):
    """A suppression that hides nothing is left over from code that has changed, or never did what it says.

    It would hide the next mistake in its place. Take it away, or correct its codes: an unknown code hides nothing. What
    is not looked for in a run (codes that are not selected, code that is not compiled for the instances in question, a
    file after the C preprocessor, in one configuration) does not count as unused.
    """

    code = "PV900"
    title = "suppression that hides nothing"
    severity = "warning"
    invalid = (
        Flagged(
            "\tnop 0 // «pvasm: ignore[PV777]» no rule has this code\n\tnop 0",
            "suppression of an unknown code, PV777: `pvasm explain' lists them",
        ),
        Flagged(
            "\tnop 0 // «pvasm: ignore[PV002 the bracket is open»\n\tnop 0",
            "no suppression: codes and a closing bracket are missing in `pvasm: ignore[CODES] reason' or "
            "`pvasm: ignore-file[CODES] reason'",
        ),
        Flagged(
            "\tnop 0 // «pvasm: ignroe[PV002]» misspelt\n\tnop 0",
            "no suppression: it is `pvasm: ignore[CODES] reason' or `pvasm: ignore-file[CODES] reason'",
        ),
        Flagged(
            "\tnop 0\n\t/* «pvasm: ignore-file[PV002]» too late */",
            "ignore-file must stand in a comment before the first statement",
        ),
    )
    valid = (
        "fc r3 // pvasm: ignore[PV001] runs on bare hardware alone",
        "nop 0 // pvasm is a tool",
        '.string "pvasm: ignore[PV777]"',
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Nothing: what has been hidden shows when all rules have looked."""
        return iter(())

    def review(self, suppressions: Sequence[Suppression], checked: Collection[str]) -> Iterator[Finding]:
        """Every suppression that is malformed, and every code of one that is unknown or has hidden nothing."""
        for suppression in suppressions:
            for message in self._faults(suppression, checked):
                yield Finding(suppression.start, suppression.end, message)

    def _faults(self, suppression: Suppression, checked: Collection[str]) -> Iterator[str]:
        if suppression.problem is not None:
            yield suppression.problem
            return
        for prefix in suppression.codes or ("",):
            if not prefix:
                if not suppression.used and self._is_looked_for("", checked):
                    yield "unused suppression: there is nothing to hide; take it away"
            elif not is_known(prefix):
                yield f"suppression of an unknown code, {prefix}: `pvasm explain' lists them"
            elif prefix not in suppression.used and self._is_looked_for(prefix, checked):
                yield f"unused suppression: there is no {prefix} to hide; take it away"

    def _is_looked_for(self, prefix: str, checked: Collection[str]) -> bool:
        """Whether this run would have found what these codes say, as far as it is on by default."""
        meant = {code for code in all_rules() if covered(code, (prefix,))}
        usual = {code for code in meant if all_rules()[code].on_by_default}
        # A finding of its own is none that a suppression could have hidden before.
        return meant != {self.code} and not meant.isdisjoint(checked) and usual.issubset(checked)
