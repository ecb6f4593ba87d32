"""A request whose worker is killed at each stage: what the client sees, and what its log says."""
import os
import signal
import subprocess
import threading
import time

from common import start

APP = '''
import os, signal, threading, time

def end(how):
    if how == "exit":
        os._exit(3)
    signal.pthread_kill(threading.get_ident(), getattr(signal, how))

def application(environ, start_response):
    stage, _, how = environ["PATH_INFO"].strip("/").partition("/")
    if stage == "slow":
        time.sleep(1)
    if stage == "application":
        end(how)
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"x" * 20000
    if stage == "body":
        time.sleep(0.3)
        end(how)
    yield b"y"
'''


def curl(url: str) -> str:
    """Status, bytes and exit code of curl, which reports a truncated body."""
    done = subprocess.run(["curl", "-s", "-S", "-o", "/dev/null", "-w", "%{http_code}, %{size_download} bytes", url],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, check=False)
    return "%s, curl exit %d %s" % (done.stdout, done.returncode, done.stderr.strip())


def before_pick_up(server, url: str) -> str:
    """One thread is busy; the request waits in the queue while the process is killed."""
    busy = threading.Thread(target=curl, args=(url + "slow",))
    busy.start()
    time.sleep(0.3)
    result = []
    waiting = threading.Thread(target=lambda: result.append(curl(url + "plain")))
    waiting.start()
    time.sleep(0.3)
    for pid in server.daemon_pids():
        os.kill(pid, signal.SIGKILL)
    busy.join()
    waiting.join()
    return result[0]


def main() -> None:
    server = start(apps={"/": "lost.wsgi"}, mode="daemon", daemon={"processes": 1, "threads": 1})
    try:
        server.write_app("lost.wsgi", APP)
        url = "http://127.0.0.1:%d/" % server.port
        print("%-32s %s" % ("before pick-up, SIGKILL", before_pick_up(server, url)))
        for stage in ("application", "body"):
            for how in ("SIGKILL", "SIGSEGV", "exit"):
                seen = len(server.log.path.read_text(errors="replace"))
                print("%-32s %s" % ("in the %s, %s" % (stage, how), curl(url + stage + "/" + how)))
                text = server.log.path.read_text(errors="replace")[seen:]
                for line in text.splitlines():
                    if "WSGI0146" in line or "WSGI0119" in line:
                        print("    " + line[line.index("WSGI0"):])
    finally:
        try:
            server.stop()
        except AssertionError: # the harness complains of just what is shown here
            pass
        server.destroy()


if __name__ == "__main__":
    main()
