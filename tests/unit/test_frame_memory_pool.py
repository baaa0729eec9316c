"""Arrow's library for Python gives back what is freed, unless the user chose how it allocates."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("pyarrow")

PROGRAM = "import raskr.dataframe, pyarrow; print(pyarrow.default_memory_pool().backend_name)"


@pytest.mark.parametrize(("chosen", "used"), [(None, "system"), ("mimalloc", "mimalloc")])
def test_arrow_allocates_as_the_user_says_or_as_the_system_does(chosen, used):
    environment = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    if chosen:
        environment["ARROW_DEFAULT_MEMORY_POOL"] = chosen
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=120)
    assert run.stdout.strip() == used, run.stderr
