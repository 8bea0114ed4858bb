"""./peal run in a terminal, as a person has it."""
import os
import pty
import re
import select
import subprocess
import time

from machine import BUILD, ESCAPE, HANG_SECONDS, ROOT


class Terminal:
    def __init__(self, *words):
        primary, secondary = pty.openpty()
        self.primary = primary
        self.process = subprocess.Popen(words, cwd=ROOT, stdin=secondary, stdout=secondary, stderr=secondary,
                                        start_new_session=True, close_fds=True,
                                        env={**os.environ, "BUILD": str(BUILD), "DISPLAY": "", "WAYLAND_DISPLAY": ""})
        os.close(secondary)
        self.received = ""
        self.seen = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.primary)

    def expect(self, pattern):
        limit = time.monotonic() + HANG_SECONDS
        while True:
            found = re.compile(pattern).search(self.received, self.seen)
            if found:
                self.seen = found.end()
                return found
            assert time.monotonic() < limit, f"no {pattern!r} in:\n{self.received[-3000:]}"
            if select.select([self.primary], [], [], 1)[0]:
                try:
                    piece = os.read(self.primary, 4096)
                except OSError:  # the other side is closed
                    piece = b""
                assert piece, f"ended without {pattern!r}:\n{self.received[-3000:]}"
                self.received += ESCAPE.sub("", piece.decode(errors="replace")).replace("\r", "")

    def type(self, text):
        os.write(self.primary, text.encode())


def test_run_boots_to_a_shell_and_ctrl_c_reaches_the_guest():
    with Terminal("./peal", "run", "--no-display") as terminal:
        terminal.expect("QEMU (runs with KVM|emulates)")
        terminal.expect("Leave with 'poweroff'")
        terminal.expect(r"peal:/\$ ")
        terminal.type("cat\r")
        terminal.expect("cat\n")
        terminal.type("\x03")
        terminal.expect(r"peal:/\$ ")
        terminal.type("cat /disk0/README.TXT\r")
        terminal.expect("This disk was made with sgdisk")
        terminal.type("poweroff\r")
        assert terminal.process.wait(HANG_SECONDS) == 0


def test_ctrl_a_x_leaves():
    with Terminal("./peal", "run", "--no-display", "--memory", "64M", "--cpus", "1") as terminal:
        terminal.expect(r"peal:/\$ ")
        terminal.type("\x01x")
        terminal.process.wait(HANG_SECONDS)


def test_help_and_mistakes_are_answered_at_once():
    def run(*words):
        return subprocess.run(["./peal", *words], cwd=ROOT, capture_output=True, text=True)

    for command in ("run", "test", "quick", "debug", "bench", "fuzz", "shot", "help"):
        assert command in run("help").stdout
    assert "\x1b" not in run("help").stdout  # colours are for terminals
    assert "--memory" in run("help", "run").stdout
    assert run("frobnicate").returncode == 1
    assert "unknown option --frob" in run("run", "--frob").stderr
    assert "needs a value" in run("run", "--memory").stderr
    assert "cannot read the disk" in run("run", "--disk", "/nowhere").stderr
    assert "no stage" in run("test", "nonsense").stderr


def peal(*words):
    return subprocess.run([ROOT / "peal", *words], cwd=ROOT, capture_output=True, text=True, timeout=HANG_SECONDS,
                          env={**os.environ, "BUILD": str(BUILD)})


def test_files_are_put_on_the_disk_and_got_back(tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "Grüße.txt").write_text("äöü\n" * 1000)
    (tmp_path / "plain.txt").write_text("plain\n")
    put = peal("put", str(folder), str(tmp_path / "plain.txt"), "/disk0/documents")
    assert put.returncode == 0, put.stderr
    back = tmp_path / "back"
    back.mkdir()
    got = peal("get", "/disk0/documents/a folder", "/disk0/documents/plain.txt", str(back))
    assert got.returncode == 0, got.stderr
    assert (back / "a folder" / "Grüße.txt").read_text() == "äöü\n" * 1000
    assert (back / "plain.txt").read_text() == "plain\n"


def test_a_disk_in_use_is_neither_written_nor_read_from_outside():
    peal("put", "README.md")
    with Terminal("./peal", "run", "--no-display") as terminal:
        terminal.expect(r"peal:/\$ ")
        for words in (("put", "README.md"), ("get", "/disk0/README.TXT")):
            refused = peal(*words)
            assert refused.returncode != 0 and "in use" in refused.stderr
        terminal.type("poweroff\r")
        terminal.process.wait(HANG_SECONDS)


def test_what_cannot_be_copied_is_said():
    assert "say what" in peal("put").stderr
    assert "say what" in peal("put", "/disk0/documents").stderr
    assert "begins with /disk0" in peal("get", "README.TXT").stderr
    missing = peal("get", "/disk0/nothing of that name")
    assert missing.returncode != 0 and "not everything was copied" in missing.stderr
