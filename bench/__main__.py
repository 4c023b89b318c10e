"""Every benchmark against its baseline, one after the other: `python -m bench`."""

import subprocess
import sys

for module in ("bench.engine", "bench.intake"):
    print(f"== {module}", flush=True)
    subprocess.run([sys.executable, "-m", module], check=True)
