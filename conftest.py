"""What holds for every test of the repository: a test that is skipped, or expected to fail, has failed.

A skip hides that something was not tried; on a machine where it cannot be tried, the suite should say so loudly.
Turning the report itself, rather than the exit status, makes the closing line of pytest show it.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped or hasattr(report, "wasxfail"):
        reason = getattr(report, "wasxfail", report.longrepr)
        report.__dict__.pop("wasxfail", None)
        report.outcome = "failed"
        report.longrepr = f"a skipped or expected failure counts as a failure: {reason}"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"a skipped module counts as a failure: {report.longrepr}"
    return report
