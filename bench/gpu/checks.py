"""The stages of bench/gpu_check that ask whether results are right."""
import json, math, re, shutil, tempfile
from pathlib import Path

from gpu.run import ROOT, call

# Figures of a step on the GPU beside the CPU's, which begin with the same parameters and get the same batches and dropout
# masks. The bound is relative to a figure, or to 1 where that is smaller: the alignment's loss is a difference of
# distances near 1.
#
# f32: a step is a thousand roundings (6e-8 each) from the exact one. Another order of sums on the CPU moves losses by 2e-7
# in sixty steps, so 1e-4 is far above what rounding does, and far below a wrong mask or a missing term (1e-2).
# bf16: r sqrt(10 L) for losses and r sqrt(30 L) for the norm of the gradient with r = 1.7e-3 and L = 4 blocks, as derived in
# nn/precision.h for the root mean square of an error; other instructions on the CPU move them by 0.15 % and 0.6 %.
ROUNDING, BLOCKS = 1.7e-3, 4
BOUNDS = {
    "highest": dict.fromkeys(("loss", "mlm_loss", "itm_loss", "wpa_loss", "grad_norm"), 1e-4),
    "bf16": {**dict.fromkeys(("loss", "mlm_loss", "itm_loss", "wpa_loss"), ROUNDING * math.sqrt(10 * BLOCKS)),
             "grad_norm": ROUNDING * math.sqrt(30 * BLOCKS)},
}


def run_test_program(stage, name, command, summary, environment=None, count=None):
    """A program that tests: `summary` finds its last line's figures as groups (passed, failed)."""
    if not command[0].exists():
        return stage.fail(f"{name}: {command[0]} is not built")
    done = call(command, stage.left(), environment)
    found = re.findall(summary, done.output, re.M)
    figures = [int(number) for number in found[-1]] if found else None
    if figures and count:
        figures = count(*figures)
    row = {"program": name, "status": done.status}
    if figures:
        row["passed"], row["failed"] = figures
    if done.status == 77:
        return stage.skip(done.output.strip().removeprefix("skipped: "))
    stage.add(row, f"{name}: " + (f"{figures[0]} passed, {figures[1]} failed" if figures else "no summary"))
    failures = [line for line in done.output.splitlines() if re.search(r"FAILED|ERROR: (CHECK|REQUIRE|test case)", line)]
    if done.status or done.late or not figures or figures[1] or not figures[0]:
        stage.fail("\n".join([f"{name}: {done.problem() or 'its summary says so'}"] + failures[:20]))


def ops(stage, programs, options):
    only = ["--op", "layer_norm"] if programs.emulated else []
    run_test_program(stage, "vilt gradcheck", [programs.vilt, "gradcheck", "--device", "cuda", *only],
                     r"^(\d+) checks, .* compared, (\d+) failed", count=lambda checks, failed: (checks - failed, failed))
    if not stage.has_time("tests of kernels, ops and training"):
        return
    only = ["-tc=cuda softmax*"] if programs.emulated else []
    run_test_program(stage, programs.tests.name, [programs.tests, *only],
                     r"^\[doctest\] test cases: *\d+ \| *(\d+) passed \| *(\d+) failed")


def goldens(stage, programs, options):
    with tempfile.TemporaryDirectory() as scratch:
        folder = ROOT / "tests/golden"
        if programs.emulated:
            shutil.copytree(folder / "ipot", Path(scratch) / "ipot")
            folder = scratch
        run_test_program(stage, "goldens", [programs.goldens, "--device", "cuda", folder], r"^(\d+) passed, (\d+) failed$")


def make_data(stage, programs, folder, scenes):
    """The built-in pictures, as ./run makes them, but fewer: what is compared are steps, not what is learnt."""
    few = ["--val", "2", "--test", "2", "--test-unseen", "2"]
    for command in (["scenes", "--out", folder, "--train", scenes, *few],
                    ["vocab", "--captions", folder / "dataset.json", "--out", folder / "vocab.txt"]):
        done = call([programs.vilt, *command, "--kind", "scenes-quick"], stage.left())
        if done.problem():
            stage.fail(f"vilt {command[0]}: {done.problem()}")
            return False
    return True


def train(stage, programs, data, out, settings, flags):
    """The rows of metrics.jsonl, or None."""
    command = [programs.vilt, "train", ROOT / "configs/scenes-quick.toml", "--fresh", *flags, f"data.captions={data}/dataset.json",
               f"data.images={data}/images", f"data.annotations={data}/annotations.jsonl", f"data.vocabulary={data}/vocab.txt",
               "train.log_every=1", "train.evaluate_every=0", "train.checkpoint_every=0", f"train.out={out}", *settings]
    done = call(command, stage.left())
    if done.problem():
        stage.fail(f"vilt train {' '.join(flags)}: {done.problem()}")
        return None
    rows = [json.loads(line) for line in (Path(out) / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if "loss" in row]


def differences(cpu, gpu, figures):
    """Of each figure the largest difference of all steps."""
    # None, of a figure that is not finite, counts as infinite.
    def apart(a, b):
        return abs(a - b) / max(1.0, abs(a)) if a is not None and b is not None and math.isfinite(a - b) else math.inf
    return {figure: max(apart(a[figure], b[figure]) for a, b in zip(cpu, gpu)) for figure in figures}


def training(stage, programs, options):
    tiny = ["train.batch_size=2", "model.num_hidden_layers=1", "model.hidden_size=16", "model.intermediate_size=32",
            "model.num_attention_heads=2"] if programs.emulated else []
    steps = 2 if programs.emulated else 30 if options.quick else 60
    settings = [f"train.steps={steps}", *tiny]
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "data"
        if not make_data(stage, programs, data, 40 if programs.emulated else 2000):
            return
        for precision, bounds in BOUNDS.items():
            if not stage.has_time(f"training in {precision}"):
                continue
            runs = {}
            for name, flags in (("cpu", ["--device", "cpu"]), ("cuda", ["--device", "cuda"]),
                                ("graph", ["--device", "cuda", "--cuda-graph"])):
                runs[name] = train(stage, programs, data, f"{scratch}/{precision}-{name}", settings,
                                   [*flags, "--precision", precision])
            compare(stage, precision, bounds, steps, runs)


def compare(stage, precision, bounds, steps, runs):
    cpu, gpu, graph = runs["cpu"], runs["cuda"], runs["graph"]
    if not cpu or not gpu:
        return
    if len(cpu) != steps or len(gpu) != steps:
        return stage.fail(f"training in {precision}: {len(cpu)} and {len(gpu)} steps were logged, expected {steps}")
    worst = differences(cpu, gpu, bounds)
    shown = sorted({0, steps // 4, steps // 2, steps - 1})
    row = {"precision": precision, "steps": steps, "worst": worst, "bounds": bounds,
           "losses": [{"step": cpu[i]["step"], "cpu": cpu[i]["loss"], "cuda": gpu[i]["loss"]} for i in shown]}
    stage.add(row, f"{precision}, {steps} steps: " + ", ".join(f"{figure} {worst[figure]:.1e}" for figure in bounds))
    for figure, bound in bounds.items():
        if not worst[figure] <= bound:
            stage.fail(f"training in {precision}: {figure} is {worst[figure]:.2e} from the CPU's, expected at most {bound:.1e}")
    if graph and [r["loss"] for r in graph] != [r["loss"] for r in gpu]:
        stage.fail(f"training in {precision}: losses with --cuda-graph are not the same bits as without")
