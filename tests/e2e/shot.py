#!/usr/bin/python3
"""Boots, types a few commands, and saves a picture of the screen: shot.py --build FOLDER FILE.png"""
import argparse
import os

COMMANDS = ["ls -l /disk0", "mkdir /disk0/notes && cd /disk0/notes", "find /disk0/documents | sort > found", "wc < found",
            "with stdin,stdout sort < found > sorted", "with stdin,stdout,stderr handles < found",
            "with stdout,stderr,cwd:read+look_up+close rm found", "df", "cat /proc/version", "ls -l /dev", "crash data"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--type", action="append", help="a command to type before", default=[])
    parser.add_argument("file")
    options = parser.parse_args()
    os.environ["PEAL_BUILD"] = os.path.abspath(options.build)

    from machine import BUILD, Machine
    with Machine(disks=[BUILD / "sample.disk"], qmp=True) as machine:
        machine.wait_for_prompt()
        machine.run("clear")
        for command in options.type or COMMANDS:
            machine.run(command)
        machine.screenshot(os.path.abspath(options.file))
    print(f"{options.file} shows the screen")


main()
