"""What Apache prints for every wrong value of every option of WSGIDaemonProcess, as one table."""
import re
import subprocess
import sys

from common import make

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from integration.config.test_wrong_values import option_cases  # noqa: E402


def message(server, option: str, value: str) -> str:
    """The error of ``apache2 -t``, without the place of the line."""
    server.site.config = 'WSGIDaemonProcess wrong {}="{}"\n'.format(option, value)
    server.write_config()
    done = subprocess.run(server.command("-t"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
                          env=server.environment(), check=False)
    lines = [line for line in done.stdout.splitlines() if re.match("WSGI", line)]
    return lines[0] if done.returncode and lines else "NOT REFUSED: " + done.stdout


def main() -> None:
    server = make()
    server.port = 8
    try:
        for option, value in option_cases():
            print("%s=%s\t%s" % (option, value, message(server, option, value)))
    finally:
        server.destroy()


if __name__ == "__main__":
    main()
