"""The proof as a pytest fixture; where jalebi is installed there is nothing to import.

    def test_mine(prove):
        prove(MyNetwork)

Every link of the chain is a subtest, and the test fails with the diagnosis.
"""

# Every run of pytest in the environment imports this: nothing heavy before it is asked for.

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from compare.difference import Link, Proof


@pytest.fixture
def prove(request: pytest.FixtureRequest) -> Callable[..., Proof]:
    """Return a function that puts a network to the proof and fails the test where it fails.

    It takes what `compare.prove` takes. A link that is not offered is a skipped subtest.
    """
    try:
        subtests = request.getfixturevalue("subtests")
    except pytest.FixtureLookupError:  # before pytest 9
        subtests = None

    def run(candidate: type | str | None = None, **options: Any) -> Proof:
        from compare import prove, report
        from compare.difference import Verdict

        def tell(link: Link) -> None:
            if subtests is None:
                return
            with subtests.test(msg=link.name):
                if link.verdict in (Verdict.NOT_OFFERED, Verdict.NOT_TRIED):
                    pytest.skip(link.sentence)
                if link.verdict in (Verdict.DIFFERENT, Verdict.ERROR):
                    pytest.fail(link.sentence, pytrace=False)

        proof = prove(candidate, on_link=tell, **options)
        if proof.status:
            pytest.fail(report.as_text(proof), pytrace=False)
        return proof

    return run
