"""What the stages of bench/gpu_check share: programs, time, and the record that becomes gpu_check.json."""
import json, os, signal, subprocess, sys, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


class Unavailable(Exception):
    """Nothing can be done here, and why, in one line."""


class Finished:
    """A command that has ended."""

    def __init__(self, status, output, errors, late):
        self.status, self.output, self.errors, self.late = status, output, errors, late

    def lines(self):
        """The JSON lines of its output."""
        return [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]

    def problem(self):
        """Why it is no success, in few lines; "" if it is one."""
        if self.late:
            return "stopped: its time was over"
        if self.status == 0:
            return ""
        said = [line for line in (self.errors + "\n" + self.output).splitlines() if line.strip() and not line.startswith("{")]
        ended = f"signal {-self.status}" if self.status < 0 else f"status {self.status}"
        return "\n".join([ended] + said[-12:])


class Stage:
    """One part of the run: what came of it, and until when it may take."""

    def __init__(self, name, deadline):
        self.name, self.deadline, self.started = name, deadline, time.monotonic()
        self.record = {"name": name, "status": "passed", "seconds": 0.0, "problems": [], "skipped": [], "rows": []}

    def left(self):
        return self.deadline - time.monotonic()

    def fail(self, what):
        self.record["problems"].append(what)
        self.record["status"] = "failed"
        print(f"  FAILED: {what}", flush=True)

    def skip(self, what):
        self.record["skipped"].append(what)
        if self.record["status"] == "passed":
            self.record["status"] = "skipped"
        print(f"  skipped: {what}", flush=True)

    def add(self, row, text):
        self.record["rows"].append(row)
        print(f"  {text}", flush=True)

    def has_time(self, what, seconds=3):
        if self.left() > seconds:
            return True
        self.skip(f"{what} (no time left)")
        return False

    def end(self):
        self.record["seconds"] = round(time.monotonic() - self.started, 1)


def start(command, environment=None, **streams):
    """In a process group of its own, so that it can be stopped with what it has started."""
    return subprocess.Popen([str(word) for word in command], cwd=ROOT, text=True, start_new_session=True,
                            env={**os.environ, **(environment or {})}, **streams)


def stop(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def call(command, seconds, environment=None):
    try:
        process = start(command, environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        return Finished(127, "", f"{command[0]}: {error.strerror}", False)
    try:
        output, errors = process.communicate(timeout=max(seconds, 0.1))
        return Finished(process.returncode, output, errors, False)
    except subprocess.TimeoutExpired:
        stop(process)
        output, errors = process.communicate()
        return Finished(-9, output, errors, True)
    except BaseException:  # interrupted: leave nothing behind
        stop(process)
        raise


class Programs:
    """The programs of a build folder: for a GPU, or with the emulated one behind them."""

    def __init__(self, folder, emulated):
        names = {"vilt": "tests/vilt_emulated", "bench": "bench/vilt_bench_emulated", "tests": "tests/tests_cuda",
                 "goldens": "tests/golden_tests_emulated"} if emulated else \
            {"vilt": "vilt", "bench": "bench/vilt_bench", "tests": "tests/tests_gpu", "goldens": "tests/golden_tests"}
        self.targets = list(names.values())
        self.emulated = emulated
        for key, name in names.items():
            setattr(self, key, Path(folder).resolve() / name)

    def missing(self):
        return [str(path) for path in (self.vilt, self.bench, self.tests, self.goldens) if not path.exists()]


class Peer:
    """PyTorch, if it is there and sees the GPU."""

    def __init__(self, emulated):
        self.version = self.why_not = ""
        if emulated:
            self.why_not = "there is none for the emulated GPU"
            return
        probe = call([sys.executable, "-c", "import torch; print(torch.__version__ if torch.cuda.is_available() else '')"], 60)
        self.version = probe.output.strip() if probe.status == 0 else ""
        if not self.version:
            self.why_not = "torch sees no GPU" if probe.status == 0 else f"{sys.executable} cannot import torch"

    @staticmethod
    def command(flags):
        return [sys.executable, ROOT / "bench/peers/peer_vilt.py", *flags.split(), "--device", "cuda"]
