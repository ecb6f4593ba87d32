"""Machine instructions per request: two runs of different length under valgrind, and the difference."""
import re
import subprocess
import sys
import tempfile

FEW, MANY = 200, 1200


def count(program: str, bridge: str, script: str, group: str, requests: int) -> int:
    commands = "\n".join(["plan log_level 1", "plan discard 1", "start", "route script " + script,
                          "route resource " + script, "route application_group " + group, "repeat %d" % requests, ""])
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=%s/out" % folder, program, bridge],
                              input=commands, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                              env={"PYTHONHASHSEED": "0", "PATH": "/usr/bin:/bin"}, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


def per_request(program: str, bridge: str, script: str, group: str) -> float:
    difference = count(program, bridge, script, group, MANY) - count(program, bridge, script, group, FEW)
    return difference / (MANY - FEW)


def main() -> None:
    program, bridge, script = sys.argv[1:4]
    for group, label in (("", "main interpreter"), ("sub", "sub-interpreter")):
        print("%s: %d instructions per request" % (label, per_request(program, bridge, script, group)))


if __name__ == "__main__":
    main()
