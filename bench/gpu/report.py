"""gpu_check.json and gpu_check.txt."""
import json, os, textwrap


def number(value, digits=1):
    return "-" if value is None else f"{value:,.{digits}f}"


def mib(size):
    return f"{size / 2**20:,.0f}"


def table(head, rows):
    """Columns as wide as they need; the first is for names."""
    rows = [head, *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return ["  " + "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                             for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows]


def goal_of(value, goal):
    return "" if goal is None else f"{goal:,g} {'reached' if value >= goal else 'MISSED'}"


def checks(rows):
    return [f"  {row['program']}: " + (f"{row['passed']:,} passed, {row['failed']:,} failed" if "passed" in row else "no summary") for row in rows]


def training(rows):
    lines = []
    for row in rows:
        lines.append(f"  {row['precision']}, {row['steps']} steps, largest difference from the CPU (bound): " +
                     ", ".join(f"{figure} {row['worst'][figure]:.1e} ({row['bounds'][figure]:.1e})" for figure in row["bounds"]))
        lines += table(["  loss at step", "CPU", "GPU"],
                       [["  " + str(at["step"]), f"{at['cpu']:.6f}", f"{at['cuda']:.6f}"] for at in row["losses"]])
    return lines


def steps(rows):
    return table(["step", "samples/s", "goal", "ms", "host ms", "launches", "waits", "own products", "peak MiB"],
                 [[row["flags"][5:], number(row["samples_per_s"], 0), goal_of(row["samples_per_s"], row["goal"]), number(row["ms"], 2),
                   number(row["host_ms"], 2), number(row["launches"], 0), number(row["synchronisations"], 0),
                   number(row["plain_products"], 0), mib(row["peak_device_bytes"])] for row in rows])


def peer(rows):
    return table(["in turn", "PyTorch ms", "ours ms", "ratio", "least", "most", "goal"],
                 [[row["flags"], number(row["peer_ms"], 2), number(row["ours_ms"], 2), number(row["ratio"], 2), number(row["least"], 2),
                   number(row["most"], 2), goal_of(row["ratio"], row["goal"])] for row in rows])


def products(rows):
    return table(["tokens x in x out", "precision", "product", "ms", "TFLOP/s", "of peak", "PyTorch ms"],
                 [[f"{row['m']} x {row['k']} x {row['n']}", row["precision"], row["kind"], number(row["ms"], 3),
                   number(row["gflops"] / 1e3), "-" if row["share"] is None else f"{100 * row['share']:.0f} % of {row['peak_tflops']:g}",
                   number(row["peer_ms"], 3)] for row in rows])


def attention(rows):
    measured = [row for row in rows if row.get("built", True)]
    lines = table(["attention", "kernels", "pass", "ms", "TFLOP/s", "PyTorch ms"],
                  [[f"{row['model']} {row['batch']} {row['precision']}{' ragged' if row['ragged'] else ''}", row["engine"], row["kind"],
                    number(row["ms"], 3), number(row["gflops"] / 1e3), number(row["peer_ms"], 3)] for row in measured])
    return lines + [f"  {row['engine']}: not built in" for row in rows if not row.get("built", True)]


def ranking(rows):
    return table(["pairs of caption and image", "pairs/s", "ms", "host ms", "peak MiB"],
                 [[row["flags"], number(row["pairs_per_s"], 0), number(row["ms"], 2), number(row["host_ms"], 2), mib(row["peak_device_bytes"])]
                  for row in rows])


TABLES = {"ops": checks, "goldens": checks, "training": training, "steps": steps, "pytorch": peer, "products": products,
          "attention": attention, "ranking": ranking}


def as_text(record):
    lines = ["gpu_check: " + verdict(record), ""]
    lines += [f"  {key}: {value}" for key, value in record["machine"].items() if value not in ("", None, {})]
    for stage in record["stages"]:
        lines += ["", f"{stage['name']}: {stage['status']}, {stage['seconds']:.1f} s"]
        if stage["rows"] and stage["name"] in TABLES:
            lines += TABLES[stage["name"]](stage["rows"])
        for kind in ("problems", "skipped"):
            lines += [textwrap.indent(f"{'FAILED' if kind == 'problems' else 'skipped'}: {what}", "  ") for what in stage[kind]]
    return "\n".join(lines) + "\n"


def verdict(record):
    if not record["finished"]:
        return "not finished"
    names = {kind: [stage["name"] for stage in record["stages"] if stage["status"] == kind] for kind in ("failed", "skipped")}
    parts = [f"{kind}: {', '.join(found)}" for kind, found in names.items() if found] or ["everything ran and passed"]
    return "; ".join(parts) + f"; {record['seconds']:.0f} s" + (" (emulated GPU: no figure here says anything about a GPU)" if record["emulated"] else "")


def replace(path, text):
    """Written beside and renamed: whoever reads sees the old file or the new one."""
    beside = path.with_name(path.name + ".new")
    with open(beside, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def write(record, folder):
    replace(folder / "gpu_check.json", json.dumps(finite(record), indent=1, allow_nan=False) + "\n")
    replace(folder / "gpu_check.txt", as_text(record))


def finite(value):
    """JSON has no infinity: null stands for what is not a number."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and value - value != 0 else value
