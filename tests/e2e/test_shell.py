"""The shell's language, typed at the prompt of the booted system: pipes, files, patterns, jobs, scripts."""
import re


def test_a_pipeline_passes_what_is_printed_on(shared_shell):
    machine = shared_shell
    assert machine.run("echo one two | cat | wc").split()[:3] == ["1", "2", "8"]
    assert machine.run("cat /boot/bin/shell | cat | hexdump /boot/bin/true 1 3") .endswith("|ELF|")
    assert machine.run("help | head -n 1").startswith("A program can touch")


def test_a_long_stream_arrives_whole(shared_shell):
    machine = shared_shell
    direct = machine.run("wc < /boot/bin/shell").split()[:3]
    assert machine.run("cat /boot/bin/shell | cat | wc").split()[:3] == direct


def test_a_writer_whose_reader_is_gone_ends(shared_shell):
    machine = shared_shell
    assert machine.run("cat /boot/bin/shell /boot/bin/serve /boot/bin/bench | true") == ""
    assert machine.run("for i in 1 2 3; do cat /boot/bin/bench | true; done; jobs") == ""
    assert "no such command" in machine.run("cat /boot/bin/shell | nonsense")
    assert machine.run("echo $?") == "127"


def test_the_code_of_a_pipeline_is_that_of_its_last_command(shared_shell):
    machine = shared_shell
    assert machine.run("true | false; echo $?") == "1"
    assert machine.run("false | true; echo $?") == "0"
    assert machine.run("! true; echo $?") == "1"


def test_input_comes_from_a_file(shared_shell):
    machine = shared_shell
    assert machine.run("cat < /boot/welcome.txt") == machine.run("cat /boot/welcome.txt")
    assert "there is no such file" in machine.run("cat < /boot/nothing")
    assert machine.run("echo $?") == "1"


def test_a_program_is_granted_one_direction_of_each_stream(shared_shell):
    machine = shared_shell
    listed = machine.run("handles < /boot/welcome.txt | cat")
    stdin = next(line for line in listed.splitlines() if "stdin" in line)
    stdout = next(line for line in listed.splitlines() if "stdout" in line)
    assert "read" in stdin and "write" not in stdin
    assert "write" in stdout and "read" not in stdout


def test_edit_does_not_lose_what_cannot_be_saved(shared_shell):
    machine = shared_shell
    machine.type("edit /boot/welcome.txt\r")
    machine.expect("read-only")
    machine.type("x\x13")
    machine.expect("Not saved")
    machine.type("\x11")
    machine.expect("Save before quitting?")
    machine.type("n")
    machine.wait_for_prompt()
    machine.type("edit /boot/bin/true\r")
    machine.expect("^?ELF")
    machine.type("\x11")
    machine.wait_for_prompt()
    assert "must be a console" in machine.run("echo a | edit x")


def test_errors_go_where_they_are_sent(shared_shell):
    machine = shared_shell
    assert machine.run("cat /none 2>&1 | wc").split()[0] == "1"
    assert machine.run("set 1 2 3 2>&1 | wc").split()[0] == "1"
    assert "none" in machine.run("cat /none | wc")


def test_patterns_become_names_in_order(shared_shell):
    machine = shared_shell
    assert machine.run("echo /boot/bin/s[h-l]*") == "/boot/bin/shell /boot/bin/sleep"
    assert machine.run("echo /boo?/b*/tru?") == "/boot/bin/true"
    assert machine.run("cd /boot; echo */true; echo b*/; cd") == "bin/true\nbin/"
    assert machine.run("echo /boot/bin/[!a-z]* '/boot/bin/t*' \"*\"") == "/boot/bin/[!a-z]* /boot/bin/t* *"
    assert machine.run("STAR='*'; echo $STAR; unset STAR") == "*"


def test_a_job_in_the_background_is_told_of_once(shared_shell):
    machine = shared_shell
    assert re.fullmatch(r"\[1\] \d+", machine.run("sleep 1 &"))
    assert machine.run("jobs") == "[1] running  sleep 1"
    assert "[1] done  sleep 1" in machine.run("wait")
    assert machine.run("jobs") == ""


def test_a_job_in_the_background_reads_nothing(shared_shell):
    machine = shared_shell
    machine.run("cat &")
    machine.run("wait")
    assert machine.run("echo typed") == "typed"


def test_a_job_is_brought_back_and_ended(shared_shell):
    machine = shared_shell
    machine.run("sleep 1000 | cat &")
    machine.type("fg 1\r")
    machine.expect("sleep 1000 | cat\n")
    machine.type("\x03")
    machine.wait_for_prompt()
    assert machine.run("echo $?") == "130"
    machine.run("sleep 1000 &")
    assert machine.run("kill %1; wait; echo over").endswith("over")
    assert "no such job" in machine.run("fg 1")


def test_ctrl_c_ends_every_program_of_a_pipeline(shared_shell):
    machine = shared_shell
    before = len(machine.run("ps").splitlines())
    machine.type("sleep 1000 | cat | cat\r")
    machine.expect("cat\n")
    machine.type("\x03")
    machine.wait_for_prompt()
    assert len(machine.run("ps").splitlines()) == before


def test_ctrl_c_ends_a_loop_and_what_a_shell_runs(shared_shell):
    machine = shared_shell
    before = len(machine.run("ps").splitlines())
    for line in ("while true; do sleep 1; done", "shell -c 'while true; do sleep 1000; done'"):
        machine.type(line + "\r")
        machine.expect("done")
        machine.expect("\n")
        machine.type("\x03")
        machine.wait_for_prompt()
        assert machine.run("echo $?") == "130"
    assert len(machine.run("ps").splitlines()) == before


def test_conditions_and_loops(shared_shell):
    machine = shared_shell
    assert machine.run("for i in 1 2 3; do if [ $i = 2 ]; then continue; fi; echo n$i; done") == "n1\nn3"
    assert machine.run("if test -d /boot && test -f /boot/bin/true; then echo yes; else echo no; fi") == "yes"
    assert machine.run("if [ 3 -lt 2 ]; then echo a; elif [ -z '' ]; then echo b; fi") == "b"
    assert machine.run("until true; do echo never; done; echo $?") == "0"
    assert machine.run("false && echo a || echo b") == "b"
    assert machine.run("for f in /boot/bin/tr*e; do echo $f; done") == "/boot/bin/trace\n/boot/bin/true"


def test_a_script_has_arguments_and_a_code(shell, fat_disk):
    machine = shell(disks=[fat_disk({
        "greet": b"#!shell\n# says who\nfor name; do\n    echo \"hello $name\"\ndone\necho $# $0\nexit 7\n",
        "stop": b"set -e\ntrue || false\nif false; then echo x; fi\nfalse\necho not reached\n",
        "here": b"WHERE=$1\ncd /boot\n",
        "broken": b"echo one\nif true\nthen echo two\n",
    })])
    assert machine.run("/disk0/greet a 'b c'") == "hello a\nhello b c\n2 /disk0/greet"
    assert machine.run("echo $?") == "7"
    assert machine.run("shell /disk0/greet x | head -n 1") == "hello x"
    assert machine.run("shell /disk0/stop; echo $?") == "1"
    assert machine.run(". /disk0/here place; pwd; echo $WHERE $#") == "/boot\nplace 0"
    assert "/disk0/broken:4: if is not closed" in machine.run("shell /disk0/broken")
    assert "no such script" in machine.run("shell /disk0/none")


def test_what_is_not_understood_is_explained(shared_shell):
    machine = shared_shell
    for line, words in (("a |", "a command is missing"), ("| a", "a command is missing"), ("a >", "a file is missing"),
                        ("if true; then echo", "end it with fi"), ("echo 'x", "quote is not closed"), ("fi", "does not belong"),
                        ("a && b &", "takes one pipeline"), ("for 1; do a; done", "for NAME in"), ("break", "between do and done"),
                        ("echo $(date)", "$ needs a name")):
        assert words in machine.run(line), line
    assert machine.run("echo fine") == "fine"


def test_no_handle_and_no_memory_is_lost_over_many_pipelines(shared_shell):
    machine = shared_shell
    many = "for i in 1 2 3 4 5 6 7 8 9 10; do cat /boot/welcome.txt | cat | head -n 1; sleep 0 & done; wait"
    machine.run(many)
    before = machine.run("free")
    machine.run(many)
    after = machine.run("free")
    for word in ("processes", "handles", "objects"):
        count = re.compile(rf"(\d+) {word}")
        assert count.search(after)[1] == count.search(before)[1], (before, after)


def test_output_goes_into_files(shell, fat_disk):
    machine = shell(disks=[fat_disk({"old.txt": b"something long that is cut\n"})])
    machine.run("cd /disk0")
    assert machine.run("echo one > new.txt; cat new.txt") == "one"
    assert machine.run("echo two >> new.txt; cat < new.txt") == "one\ntwo"
    assert machine.run("echo short > old.txt; cat old.txt") == "short"
    assert machine.run("cat /none 2> errors; wc < errors").split()[0] == "1"
    assert machine.run("cat /none new.txt > both 2>&1; wc < both").split()[0] == "3"
    assert machine.run("help > help.txt; cat help.txt | head -n 1").startswith("A program can touch")
    assert machine.run("cat /boot/bin/shell > copy; cat copy | wc").split()[:3] == machine.run("wc < /boot/bin/shell").split()[:3]
    assert machine.run("> empty; wc < empty").split()[2] == "0"
    assert machine.run("with stdout echo narrow > narrow; cat narrow") == "narrow"
    assert machine.run("echo */*; echo *.txt") == "*/*\nhelp.txt new.txt old.txt"


def test_what_cannot_be_written_is_said(shell, fat_disk):
    machine = shell(disks=[fat_disk({"x": b"x"})])
    assert "read-only" in machine.run("echo x > /boot/new.txt")
    assert machine.run("echo $?") == "1"
    assert "no such directory" in machine.run("echo x > /disk0/none/new.txt")
    full = machine.run("while cat /boot/bin/bench >> /disk0/big; do true; done")
    assert "NO_SPACE" in full
    assert machine.run("echo $?") == "0"
    assert "NO_SPACE" in machine.run("cat /boot/bin/bench >> /disk0/big")


def test_a_text_is_edited_and_saved(shell, fat_disk):
    machine = shell(disks=[fat_disk({"notes.txt": "one\ntwo ü\nthree\n".encode()})])
    machine.run("cd /disk0")
    machine.type("edit notes.txt\r")
    machine.expect("line 1, column 1")
    machine.type("\x1b[B\x1b[F!\rnew line")   # down, end
    machine.expect("(changed)")
    machine.type("\x06three\r")                # find
    machine.expect("line 4, column 1")
    machine.type("\x0b\x1b[A\x1b[A\x1b[A\x15")  # cut, to the top, put back
    machine.type("\x13")
    machine.expect("Saved, ")
    machine.type("\x11")
    machine.wait_for_prompt()
    assert machine.run("cat notes.txt") == "three\none\ntwo ü!\nnew line"
    assert machine.run("echo *~") == "*~"
    machine.type("edit fresh\r")
    machine.expect("(new)")
    machine.type("text\x11")
    machine.expect("Save before quitting?")
    machine.type("y")
    machine.wait_for_prompt()
    assert machine.run("cat fresh") == "text"
