"""A virtual machine that a test drives as a person would: types, reads, looks at the screen.

Every wait names the text it waits for. Its timeout is a hang detector: far longer than the slowest
machine needs, and never the way a test finds out that something did not happen.
"""
import codecs
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PEAL_BUILD", ROOT / "build")).resolve()
TOOLS = ROOT / "tools"
HANG_SECONDS = int(os.environ.get("PEAL_HANG_SECONDS", 180))
PROMPT = re.compile(r"peal:[^\n]*\$ (?=$|\n)")
ESCAPE = re.compile(r"\x1b\[[0-9;=?]*[A-Za-z]")
HALF_ESCAPE = re.compile(r"\x1b(\[[0-9;=?]*)?$")


class Hang(AssertionError):
    """The text did not appear. The message carries what did."""


class Machine:
    """Use it in a `with`: whatever happens, QEMU ends with the block.

    `image`: what to boot; the built image when not given. `append`: the kernel command line in place
    of the image's own. `disks`: further disks, unchanged by the run unless
    `keep_disks`.
    """

    def __init__(self, image=None, disks=(), memory="256M", cpus=2, append=None, qmp=False, extra=(),
                 keep_rebooting=False, keep_disks=False):
        self.folder = tempfile.mkdtemp(prefix="peal-")
        command = [TOOLS / "run_qemu", "--test", "--no-display", "--cache", BUILD, "--memory", memory,
                   "--cpus", cpus, "--image", image or BUILD / "peal-release.image"]
        for disk in disks:
            command += ["--disk", disk]
        if append is not None:
            command += ["--append", append]
        if keep_rebooting:
            command += ["--keep-rebooting"]
        if keep_disks:
            command += ["--keep-disks"]
        self.qmp_path = os.path.join(self.folder, "qmp") if qmp else None
        if qmp:
            command += ["--qmp", self.qmp_path]
        self.process = subprocess.Popen([str(word) for word in [*command, "--", *extra]], cwd=ROOT,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.changed = threading.Condition()
        self.received = ""
        self.ended = False
        self.seen = 0  # expect() looks behind this
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.control = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self):
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        pending = ""
        while True:
            piece = os.read(self.process.stdout.fileno(), 4096)
            # Serial lines end in CR LF; the firmware and the shell's line editor move the cursor.
            text = ESCAPE.sub("", pending + decoder.decode(piece, final=not piece)).replace("\r", "")
            half = HALF_ESCAPE.search(text)
            pending = half[0] if half else ""
            text = text[:len(text) - len(pending)]
            with self.changed:
                self.received += text
                self.ended = not piece
                self.changed.notify_all()
            if not piece:
                return

    def expect(self, wanted, seconds=HANG_SECONDS):
        """Waits for a text or a compiled pattern behind what was seen; returns all that came before it."""
        pattern = wanted if isinstance(wanted, re.Pattern) else re.compile(re.escape(wanted))
        limit = time.monotonic() + seconds
        with self.changed:
            while True:
                found = pattern.search(self.received, self.seen)
                if found:
                    before = self.received[self.seen:found.start()]
                    self.seen = found.end()
                    return before
                left = limit - time.monotonic()
                if self.ended or left <= 0:
                    what = "the machine stopped" if self.ended else f"{seconds} s passed"
                    raise Hang(f"{what} without {pattern.pattern!r}; the end of what it said:\n"
                               + self.received[-3000:])
                self.changed.wait(left)

    def type(self, text):
        os.write(self.process.stdin.fileno(), text.encode())

    def wait_for_prompt(self):
        return self.expect(PROMPT)

    def run(self, command, seconds=HANG_SECONDS):
        """Types a command at the prompt and returns what it printed, without echo and next prompt."""
        self.type(command + "\r")
        self.expect("\n", seconds)
        return self.expect(PROMPT, seconds).strip("\n")

    def wait_for_end(self, seconds=HANG_SECONDS):
        """Waits until the machine is off; returns QEMU's exit status."""
        status = self.process.wait(seconds)
        self.reader.join()
        return status

    def ask(self, command, **arguments):
        """One QMP command, and its answer."""
        if self.control is None:
            limit = time.monotonic() + HANG_SECONDS
            connection = socket.socket(socket.AF_UNIX)
            while True:
                try:
                    connection.connect(self.qmp_path)
                    break
                except OSError:
                    if time.monotonic() > limit or self.process.poll() is not None:
                        raise
                    time.sleep(0.05)
            self.control = connection.makefile("rw")
            self.control.readline()
            self.ask("qmp_capabilities")
        self.control.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.control.flush()
        while True:
            answer = json.loads(self.control.readline())
            if "event" not in answer:
                assert "error" not in answer, answer
                return answer["return"]

    def screenshot(self, path, form="png"):
        self.ask("screendump", filename=str(path), format=form)


def make_image(path, loader=True, kernel=None, archive=None, command_line=None):
    """A boot image with exactly these files. `loader`: the built one, or none."""
    command = [TOOLS / "make_boot_image", "--output", path]
    if loader:
        command += ["--loader", BUILD / "loader" / "BOOTX64.EFI"]
    if kernel is not None:
        command += ["--kernel", kernel]
    if archive is not None:
        command += ["--archive", archive]
    if command_line is not None:
        command += ["--command-line", command_line]
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    return path
