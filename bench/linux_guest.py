"""
Linux beside Peal: Debian's cloud kernel, fetched with apt into a folder where it is kept, started in the same QEMU with
one static program of ours as all there is. What bench/run_poller and bench/run_storage share.
"""
import re
import statistics
import subprocess
import sys

PROCESSOR = "max,erms=off,la57=off"
PACKAGE = "linux-image-cloud-amd64"
COMMAND_LINE = "console=ttyS0 quiet mitigations=off audit=0 tsc=reliable panic=-1"


def run(command, **options):
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, **options)


def figures(text, log):
    """What programs said, by name: "bench: NAME VALUE ns"."""
    found = {}
    for name, value in re.findall(r"bench: (\w+) (\d+) ns", text):
        found.setdefault(name, []).append(int(value))
    if not found:
        sys.exit(f"no figures came, see {log}; the last lines:\n" + "\n".join(text.splitlines()[-15:]))
    return found


def boot(command, log, seconds_max):
    with open(log, "wb") as out:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                       timeout=seconds_max, check=False)
    return figures(log.read_text(errors="replace"), log)


def add(all_runs, one):
    for name, values in one.items():
        all_runs.setdefault(name, []).extend(values)


def cell(values, unit=1):
    return f"{statistics.median(values) / unit:,.0f} ({min(values) / unit:,.0f})"


# ---- the initial ram disk, as the kernel's documentation describes it ("newc") ----

def archive_entry(number, name, mode, content=b"", device=(0, 0)):
    name = name.encode() + b"\0"
    fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name), 0]
    entry = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    entry += bytes(-len(entry) % 4)
    return entry + content + bytes(-len(content) % 4)


def make_ram_disk(program, path, modules=()):
    """`program` is the first, and only, program; modules are loaded by it: /module0, /module1, ..."""
    entries = [
        archive_entry(1, "dev", 0o040755),
        archive_entry(2, "dev/console", 0o020600, device=(5, 1)),
        archive_entry(3, "init", 0o100755, program.read_bytes()),
    ]
    for number, module in enumerate(modules):
        entries.append(archive_entry(4 + number, f"module{number}", 0o100644, module.read_bytes()))
    entries.append(archive_entry(0, "TRAILER!!!", 0))
    path.write_bytes(b"".join(entries))


# ---- the kernel ----

def fetch(folder):
    """Debian's package, unpacked."""
    unpacked = folder / "package"
    if next(unpacked.glob("boot/vmlinuz-*"), None) and next(unpacked.glob("lib/modules/*/kernel"), None):
        return unpacked
    depends = run(["apt-cache", "depends", PACKAGE], stdout=subprocess.PIPE, text=True).stdout
    package = re.search(r"Depends: (linux-image-\S+)", depends)
    if not package:
        sys.exit(f"apt knows no {PACKAGE}; on Debian 12, apt-get update comes first")
    print(f"fetching {package[1]} ...", file=sys.stderr, flush=True)
    run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package[1]], cwd=folder)
    files = sorted(folder.glob(package[1] + "_*.deb"))
    run(["dpkg-deb", "-x", files[-1], unpacked])
    return unpacked


def prepare(build, source, modules=()):
    """The kernel's image, and a ram disk with the program of that source and those modules, in this order."""
    folder = build / "linux"
    folder.mkdir(parents=True, exist_ok=True)
    package = fetch(folder)
    program = folder / source.stem
    run(["cc", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-static", "-s", "-o", program, source])
    files = [next(package.glob(f"lib/modules/*/kernel/**/{module}.ko")) for module in modules]
    ram_disk = folder / f"{source.stem}.initrd"
    make_ram_disk(program, ram_disk, files)
    return next(package.glob("boot/vmlinuz-*")), ram_disk


def command(accelerator, memory, kernel, ram_disk, words="", devices=()):
    return [
        "qemu-system-x86_64", "-nodefaults", "-machine", "q35", "-cpu", PROCESSOR, *accelerator, "-m", memory,
        "-display", "none", "-no-reboot", "-serial", "stdio",
        "-kernel", kernel, "-initrd", ram_disk, "-append", f"{COMMAND_LINE} {words}", *devices,
    ]
