"""What holds for every test."""

import os

import hypothesis
import pytest

# No test is judged by time: a busy machine would make it fail.
hypothesis.settings.register_profile("oddspipe", deadline=None)
# For benchmarks/mutants.py: that a test fails is all that is asked, not the smallest example.
hypothesis.settings.register_profile(
    "mutants", deadline=None, phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate]
)
hypothesis.settings.load_profile("oddspipe")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Make a skip a failure in CI: every part that a test needs can be had there."""
    report = yield
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} may not skip in CI: {call.excinfo and call.excinfo.value}"
    return report
