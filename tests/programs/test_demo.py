"""The demo runs in small, tells no wrong result, and leaves no data behind."""

import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / "demo" / "demo.py"


def demo(*arguments):
    return subprocess.run([sys.executable, DEMO, *arguments], capture_output=True, text=True)


def test_the_demo_runs_in_small(tmp_path):
    done = demo("--scale", "0.001", "--data", str(tmp_path / "data"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WRONG" not in done.stdout
    for told in ("pi is about 3.", "standard errors", "agree with NumPy's", "the sum is 1,275", "All done"):
        assert told in done.stdout
    assert not (tmp_path / "data").exists()


def test_a_full_disk_is_told_before_any_work(tmp_path):
    done = demo("--scale", "1e9", "--data", str(tmp_path / "data"))
    assert done.returncode == 1
    assert "GB of disk" in done.stderr and "--scale" in done.stderr
    assert not (tmp_path / "data").exists()
