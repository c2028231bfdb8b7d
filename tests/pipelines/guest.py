# SPDX-License-Identifier: GPL-2.0-only
"""All pipelines, in a guest with a whole Debian: guest.py [PATTERN]…"""
import sys

import fleet
import local
from harness import Runner


class Pipelines(Runner):
    """As live tests are run, under a name of their own."""

    def run(self, suites):
        for suite in suites:
            for name, function in suite(self.selected):
                self.run_one(name, function)
        self.check_selection()
        print(f"pipelines: {self.passed} passed, {self.failed} failed, {self.skipped} skipped",
              flush=True)
        return 1 if self.failed else 0


if __name__ == "__main__":
    sys.exit(Pipelines(sys.argv[1:], False).run([local.suite, fleet.suite]))
