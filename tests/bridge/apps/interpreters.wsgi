"""What an interpreter is like, and what its end is like."""
import atexit
import os
import sys
import threading

import mod_wsgi

local = threading.local()


def text(start_response, value):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(value).encode("utf-8")]


def count(environ, start_response):
    local.count = getattr(local, "count", 0) + 1
    return text(start_response, local.count)


def attributes(environ, start_response):
    import apache
    import io
    return text(start_response, (
        mod_wsgi.process_group, mod_wsgi.application_group, mod_wsgi.maximum_processes, mod_wsgi.threads_per_process,
        len(mod_wsgi.version), apache.version, apache.description, apache.build_date, apache.mpm_name,
        apache.maximum_processes, apache.threads_per_process, sys.argv, mod_wsgi.RequestTimeout.__mro__[1].__name__,
        mod_wsgi.event_callbacks, mod_wsgi.shutdown_callbacks, mod_wsgi.signal_callbacks,
        sys.__stderr__ is not sys.stderr, mod_wsgi.__spec__.name))


def own(environ, start_response):
    """Something of this interpreter's own."""
    mod_wsgi.event_callbacks.append(print)
    return text(start_response, (id(mod_wsgi.RequestTimeout), len(mod_wsgi.event_callbacks)))


def forbidden(environ, start_response):
    seen = []
    for name in ("Request", "Input", "Log", "LogStream"):
        kinds = {"Request": type(start_response), "Input": type(environ["wsgi.input"]),
                 "Log": type(sys.stderr.buffer)}
        if name in kinds:
            try:
                kinds[name]()
            except TypeError:
                seen.append(kinds[name].__module__ + "." + kinds[name].__name__)
    return text(start_response, seen)


def missing(environ, start_response):
    try:
        mod_wsgi.no_such_thing
    except AttributeError as error:
        return text(start_response, str(error))


def register(environ, start_response):
    name = mod_wsgi.application_group
    atexit.register(lambda: print("atexit", name))
    mod_wsgi.subscribe_shutdown(lambda event, **payload: print(event, payload["shutdown_reason"], name))
    return text(start_response, None)


def thread(is_daemon):
    def app(environ, start_response):
        started = threading.Event()

        def work():
            import time
            started.set()
            time.sleep(1.0 if not is_daemon else 3600)
            print("thread ended")
        threading.Thread(target=work, daemon=is_daemon).start()
        started.wait()
        return register(environ, start_response)
    return app


with_thread = thread(False)
with_daemon_thread = thread(True)


def signals(environ, start_response):
    import signal

    def handler(*arguments):
        pass
    before = signal.getsignal(signal.SIGUSR1)
    result = signal.signal(signal.SIGUSR1, handler)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            kind = type(signal.signal(signal.SIGUSR1, signal.SIG_IGN)).__name__
        except ValueError as error:
            kind = "real: " + str(error)
        except BaseException as error:
            kind = repr(error)
        os.write(writing, kind.encode("ascii"))
        os._exit(0)
    os.waitpid(child, 0)
    in_child = os.read(reading, 200).decode("ascii")
    return text(start_response, (result is handler, signal.getsignal(signal.SIGUSR1) is before, in_child))


def restricted(environ, start_response):
    seen = []
    for stream in (sys.stdin, sys.stdout):
        try:
            stream.fileno
            seen.append(None)
        except OSError as error:
            seen.append(str(error))
    return text(start_response, seen)


def environment(environ, start_response):
    return text(start_response, (os.environ.get("HOME"), os.environ.get("USER"), os.environ.get("PYTHON_EGG_CACHE")))


def path(environ, start_response):
    import extra_module
    return text(start_response, (sys.path[:3], extra_module.__file__))


def package(environ, start_response):
    import mod_wsgi.addition
    return text(start_response, (mod_wsgi.addition.VALUE, len(mod_wsgi.version), hasattr(mod_wsgi, "FROM_PACKAGE")))


def fault(environ, start_response):
    import faulthandler
    return text(start_response, faulthandler.is_enabled())


def crash(environ, start_response):
    import ctypes
    ctypes.string_at(0)


def with_endless_thread(environ, start_response):
    def work():
        import time
        while True:
            time.sleep(0.01)
    threading.Thread(target=work).start()
    return register(environ, start_response)


def pool(environ, start_response):
    """Its threads only end when the interpreter does."""
    from concurrent.futures import ThreadPoolExecutor
    kept.append(ThreadPoolExecutor(2))
    register(environ, start_response)
    return text(start_response, kept[0].submit(lambda: 3).result())


kept = []
