"""The stages of bench/gpu_check that ask how fast: each row is a run of vilt_bench, or of it and PyTorch in turn."""
import json, queue, statistics, subprocess, tempfile, threading, time

from gpu.run import call, start, stop

# What a GPU multiplies at most, TFLOP/s without sparsity, from NVIDIA's data sheets: the first name that the device's contains.
PEAKS = (
    ("H200 NVL", {"bf16": 835, "tf32": 417, "f32": 60}),
    ("H200", {"bf16": 989, "tf32": 494, "f32": 67}),
    ("H100 NVL", {"bf16": 835, "tf32": 417, "f32": 60}),
    ("H100 PCIe", {"bf16": 756, "tf32": 378, "f32": 51}),
    ("H100", {"bf16": 989, "tf32": 494, "f32": 67}),
    ("A100", {"bf16": 312, "tf32": 156, "f32": 19.5}),
)


def peaks_of(name):
    return next((peaks for part, peaks in PEAKS if part in name), {})


# On an H200: samples/s of b32 in bf16, and how many times as fast as PyTorch in the same run.
GOALS = {("b32", 64, False): 1700, ("b32", 256, False): 1700, ("b32", 64, True): 2000, ("b32", 256, True): 2000}
PEER_GOAL = 1.3


def step_flags(model, batch, precision="bf16", ragged=False, extra=""):
    return f"step --model {model} --batch {batch} --precision {precision}{' --ragged' if ragged else ''} {extra}".strip()


def step_rows(emulated):
    """The most wanted first: where time is short, the last are left out."""
    if emulated:
        return [step_flags("mini", 1), step_flags("mini", 2, "f32", True, "--cuda-graph"), step_flags("mini", 1, extra="--upload")]
    rows = [step_flags("b32", 64, "bf16", ragged, graph) for graph in ("", "--cuda-graph") for ragged in (False, True)]
    rows += [step_flags("b32", 256, "bf16", ragged) for ragged in (False, True)] + [step_flags("b32", 64, extra="--upload")]
    for model in ("tiny", "small"):
        rows += [step_flags(model, batch, "bf16", ragged, graph)
                 for batch in (64, 256) for graph in ("", "--cuda-graph") for ragged in (False, True)]
    rows += [step_flags("tiny", 64, "f32", False, graph) for graph in ("", "--cuda-graph")]
    return rows + [step_flags("b32", 256, "bf16", ragged, "--cuda-graph") for ragged in (False, True)]


def repetitions(programs, options):
    if programs.emulated:
        return "--device cuda --warmup 3 --reps 1"  # the third step is the first in a graph
    return f"--device cuda --warmup 5 --reps {3 if options.quick else 7}"


def ours(stage, programs, options, flags, environment=None):
    """The lines of one run of vilt_bench; none if it failed, which the stage then says."""
    done = call([programs.bench, *flags.split(), *repetitions(programs, options).split()], stage.left(), environment)
    if done.problem():
        stage.fail(f"{flags}: {done.problem()}")
        return []
    return done.lines()


def steps(stage, programs, options):
    for flags in step_rows(programs.emulated):
        if not stage.has_time(flags, 5):
            continue
        for row in ours(stage, programs, options, flags):
            goal = GOALS.get((row["model"], row["batch"], row["ragged"])) if row["precision"] == "bf16" and not row["upload"] else None
            stage.add({**row, "flags": flags, "goal": goal},
                      f"{flags}: {row['samples_per_s']:.0f} samples/s, {row['ms']:.2f} ms, host {row['host_ms']:.2f} ms")
            if row["synchronisations"]:
                stage.fail(f"{flags}: waits for the device {row['synchronisations']:.0f} times in a step, expected 0")


def rows_of_peer(options):
    steps = [step_flags("b32", 64), step_flags("b32", 64, ragged=True)]
    infer = ["infer --model b32 --batch 64 --precision bf16"]
    rest = [step_flags("small", 64), step_flags("tiny", 64), step_flags("b32", 256), "infer --model b32 --batch 256 --precision bf16"]
    return steps + infer + ([] if options.quick else rest)


class Turns:
    """A program that measures once for each line it is given."""

    def __init__(self, command, log):
        self.process = start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.lines = queue.SimpleQueue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def line(self, beginning, seconds):
        """Its next line that begins so; None if it ends or takes too long."""
        end = time.monotonic() + seconds
        try:
            while True:
                line = self.lines.get(timeout=max(0, end - time.monotonic()))
                if line is None or line.startswith(beginning):
                    return line
        except queue.Empty:
            return None

    def measure(self, seconds):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except OSError:
            return None
        return self.line("{", seconds)


def take_turns(stage, commands, rounds):
    """Both programs warm up, one after the other, and then measure in turn: (pairs of lines, what went wrong)."""
    running, pairs = [], []
    with tempfile.TemporaryFile("w+") as log:
        try:
            for command in commands:
                running.append(Turns(command, log))
                if not running[-1].line("ready", stage.left()):
                    break
            else:
                for number in range(rounds):
                    order = (0, 1) if number % 2 else (1, 0)
                    lines = {side: running[side].measure(stage.left()) for side in order}
                    if not all(lines.values()):
                        break
                    pairs.append((json.loads(lines[0]), json.loads(lines[1])))
        finally:
            for turns in running:
                stop(turns.process)
        log.seek(0)
        said = [line for line in log.read().splitlines() if line.strip()]
    if len(pairs) == rounds:
        return pairs, ""
    who = ("vilt_bench", "PyTorch")[len(running) - 1] if not pairs else "one of both"
    return pairs, "\n".join([f"{who}: time was over" if stage.left() < 1 else f"{who} ended early"] + said[-6:])


def peer(stage, programs, options, torch):
    if not torch.version:
        return stage.skip(f"no comparison with PyTorch: {torch.why_not}")
    rounds = 3 if options.quick else 5
    for flags in rows_of_peer(options):
        if not stage.has_time(flags, 20):
            continue
        common = f"{flags} --turns --warmup 5 --reps 3"
        pairs, problem = take_turns(stage, ([programs.bench, *common.split(), "--device", "cuda"],
                                            torch.command(f"{common} --compile")), rounds)
        if pairs:
            ratios = [theirs["ms"] / mine["ms"] for mine, theirs in pairs]
            ratio, median = statistics.median(ratios), lambda side: statistics.median(pair[side]["ms"] for pair in pairs)
            wanted = PEER_GOAL if flags == step_flags("b32", 64) or flags == step_flags("b32", 256) else None
            stage.add({"flags": flags, "ours_ms": median(0), "peer_ms": median(1), "ratio": ratio, "least": min(ratios),
                       "most": max(ratios), "goal": wanted, "rounds": pairs},
                      f"{flags}: PyTorch {median(1):.2f} ms, ours {median(0):.2f} ms, ratio {ratio:.2f}")
        if problem:
            (stage.skip if stage.left() < 1 else stage.fail)(f"{flags} beside PyTorch: {problem}")


def beside(stage, torch, flags, reps):
    """PyTorch's lines for the same flags, by what is multiplied; {} without PyTorch or time."""
    if not torch.version or not stage.has_time(f"{flags} by PyTorch", 15):
        return {}
    done = call(torch.command(f"{flags} --warmup 5 --reps {reps}"), max(10, stage.left() / 2))  # the rest is for what follows
    if done.problem():
        (stage.skip if done.late else stage.fail)(f"{flags} by PyTorch: {done.problem()}")
    return {(row["kind"], row.get("k"), row.get("n")): row for row in done.lines()}


def products(stage, programs, options, torch, device):
    model, batch = ("mini", 1) if programs.emulated else ("b32", 64)
    for precision in ("bf16", "tf32", "f32"):
        flags = f"gemm --model {model} --batch {batch} --precision {precision}"
        if not stage.has_time(flags, 5):
            continue
        lines = ours(stage, programs, options, flags)
        theirs = beside(stage, torch, flags, 3)
        peak = peaks_of(device.get("device", "")).get(precision)
        for row in lines:
            other = theirs.get((row["kind"], row["k"], row["n"]))
            share = row["gflops"] / peak / 1e3 if peak else None
            stage.add({**row, "peak_tflops": peak, "share": share, "peer_ms": other and other["ms"]},
                      f"{precision} {row['m']} x {row['k']} x {row['n']} {row['kind']}: {row['gflops'] / 1e3:.1f} TFLOP/s")


# The value of TESSERA_ATTENTION, and the precisions that it is of use for.
ENGINES = {"auto": ("bf16", "f32"), "plain": ("bf16",), "tensor-cores": ("bf16",), "cudnn": ("bf16",)}


def attention(stage, programs, options, torch):
    model, batch = ("mini", 1) if programs.emulated else ("b32", 64)
    for precision in ("bf16", "f32"):
        for ragged in ("", " --ragged"):
            flags = f"attention --model {model} --batch {batch} --precision {precision}{ragged}"
            theirs = beside(stage, torch, flags, 3)
            for engine in (name for name, of_use in ENGINES.items() if precision in of_use):
                if not stage.has_time(f"{flags}, {engine}", 3):
                    continue
                environment = {"TESSERA_ATTENTION": engine}
                if engine == "cudnn":
                    done = call([programs.bench, *flags.split(), *repetitions(programs, options).split()], stage.left(), environment)
                    if "is 'cudnn', expected" in done.errors:
                        if not ragged:
                            stage.add({"engine": engine, "built": False}, "cuDNN's attention is not built in")
                        continue
                for row in ours(stage, programs, options, flags, environment):
                    other = theirs.get((row["kind"], None, None))
                    stage.add({**row, "engine": engine, "peer_ms": other and other["ms"]},
                              f"{flags[10:]} {row['kind']}, {engine}: {row['ms']:.3f} ms, {row['gflops'] / 1e3:.1f} TFLOP/s")


def ranking(stage, programs, options):
    if programs.emulated:
        rows = ["rank --model mini --batch 4", "infer --model mini --batch 1 --precision bf16"]
    else:
        rows = ["rank --model b32 --batch 256 --precision bf16", "rank --model b32 --batch 256 --precision bf16 --ragged",
                "infer --model b32 --batch 64 --precision bf16", "infer --model b32 --batch 256 --precision bf16",
                "rank --model b32 --batch 256 --precision f32"]
    for flags in rows:
        if not stage.has_time(flags, 5):
            continue
        for row in ours(stage, programs, options, flags):
            pairs = row.get("pairs_per_s", row.get("samples_per_s"))
            stage.add({**row, "flags": flags, "pairs_per_s": pairs}, f"{flags}: {pairs:.0f} pairs/s")
