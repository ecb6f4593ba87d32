"""The command line: which sub-command, with what, and what people read."""

import argparse
import os
import shutil
import sys
from typing import Any, Dict, List, Optional, Sequence, Tuple

from . import groups, launch, options, plan, platform, serverroot
from .plan import Plan
from .settings import Settings, SettingsError, resolve

PROGRAM = "mod_wsgi-express"
DESCRIPTION = "Generate an Apache server for one WSGI application"
COMMANDS = {
    "start-server": "generate a server for an application and run it",
    "setup-server": "generate it only",
    "status": "show the process groups of a running Apache",
    "reload": "have process groups load their scripts anew, and wait for it",
    "restart": "replace the processes of process groups one by one, and wait for it",
    "module-config": "print what loads the module into an Apache of your own",
    "install-module": "copy the module to Apache's modules and print the same",
    "module-location": "print the path of the module",
}


def usage() -> str:
    lines = ["usage: %s COMMAND [options]" % PROGRAM, "", "commands:"]
    lines += ["  %-16s %s" % item for item in COMMANDS.items()]
    return "\n".join(lines + ["", "%s COMMAND --help describes a command." % PROGRAM])


def prepare(parser: argparse.ArgumentParser, arguments: Sequence[str], command: Sequence[str]) -> Tuple[Settings, Plan]:
    """Parse, resolve and write; usage errors end the program with status 2."""
    given = options.parse(parser, arguments)
    try:
        return prepare_from(given, command)
    except SettingsError as error:
        parser.error(str(error))


def prepare_from(given: Dict[str, Any], command: Sequence[str]) -> Tuple[Settings, Plan]:
    """Resolve settings and write the server root.

    Raises:
        SettingsError: naming the option that does not fit.
    """
    host = platform.describe(given["httpd_executable"], given["modules_directory"], given["user"])
    settings = resolve(given, host, tuple(command))
    made = plan.make(settings)
    owner = None
    if os.getuid() == 0 and settings.user != "root":
        owner = platform.ids(settings.user, settings.group)
    serverroot.create(made, owner)
    if owner is not None:
        check_readable(settings, *owner)
    return settings, made


def check_readable(settings: Settings, uid: int, gid: int) -> None:
    """Refuse now what would otherwise fail in the middle of a start, or at the first request."""
    paths = [settings.server_root, settings.host_facts.module, settings.host_facts.python_home,
             settings.working_directory, settings.document_root]
    if settings.application_type != "module" and settings.entry_point is not None:
        if not os.path.exists(settings.entry_point):
            raise SettingsError("'%s' does not exist" % settings.entry_point)
        paths.append(settings.entry_point)
    denied = platform.first_unreadable(paths, uid, gid)
    if denied is not None:
        raise SettingsError("--user: the account %s cannot reach '%s'; make it and the folders above it readable, or "
                            "name another account" % (settings.user, denied))


def warn_about_root(settings: Settings) -> None:
    if os.getuid() == 0 and settings.user == "root":
        print("WARNING: Apache does not serve as root: name another account with --user and --group.", file=sys.stderr)


def count(number: int, noun: str) -> str:
    ending = "es" if noun.endswith("s") else "s"
    return "%d %s" % (number, noun if number == 1 else noun + ending)


def summary(settings: Settings, setup_only: bool) -> str:
    """Return what is printed before the server starts."""
    root = settings.server_root
    lines: List[Tuple[str, Optional[object]]] = [
        ("Server URL", url(settings, "http", settings.port)),
        ("Server URL (HTTPS)", url(settings, "https", settings.https_port) if settings.https else None),
        ("Server Root", root),
        ("Server Conf", os.path.join(root, "httpd.conf")),
        ("Error Log File", "%s (%s)" % (error_log_text(settings), settings.log_level)),
        ("Access Log File", access_log_text(settings) if settings.access_log else None),
        ("Startup Log File", settings.startup_log_file if settings.startup_log else None),
    ]
    if setup_only:
        lines += [("Rewrite Rules", settings.rewrite_rules), ("Environ Variables", os.path.join(root, "envvars")),
                  ("Control Script", os.path.join(root, "apachectl"))]
    lines += mode_lines(settings)
    return "\n".join("%-18s : %s" % line for line in lines if line[1] is not None)


def error_log_text(settings: Settings) -> str:
    return "/dev/stderr" if settings.log_to_terminal else settings.error_log


def access_log_text(settings: Settings) -> str:
    return "/dev/stdout" if settings.log_to_terminal else settings.access_log_file


def url(settings: Settings, scheme: str, port: int) -> str:
    return "%s://%s%s/" % (scheme, settings.url_host, plan.port_suffix(scheme, port))


def mode_lines(settings: Settings) -> List[Tuple[str, Optional[object]]]:
    """Return the part of the summary about processes and limits."""
    mode = "debug" if settings.debug_mode else "embedded" if settings.embedded_mode else "daemon"
    processes = settings.processes or 1
    capacity = "%d (%s * %s)" % (settings.total, count(processes, "process"), count(settings.threads, "thread"))
    lines: List[Tuple[str, Optional[object]]] = [("Operating Mode", mode), ("Request Capacity", capacity)]
    if mode == "daemon":
        sizes = "%d (event/worker), %d (prefork)" % (settings.threaded.maximum, settings.prefork.maximum)
        lines += [
            ("Request Timeout", "%d (seconds)" % settings.request_timeout),
            ("Interrupt Timeout", "%d (seconds)" % settings.interrupt_timeout if settings.interrupt_timeout else None),
            ("Startup Timeout", "%d (seconds)" % settings.startup_timeout),
            ("Queue Backlog", "%d (connections)" % settings.daemon_backlog),
            ("Queue Timeout", "%d (seconds)" % settings.queue_timeout),
            ("Server Capacity", sizes),
        ]
    return lines + [("Server Backlog", "%d (connections)" % settings.server_backlog),
                    ("Locale Setting", settings.locale)]


def start_server(arguments: Sequence[str], command: Sequence[str]) -> int:
    parser = options.make_parser("%s start-server" % PROGRAM, DESCRIPTION + " and run it.")
    settings, made = prepare(parser, arguments, command)
    return finish_start(settings, made)


def finish_start(settings: Settings, made: Plan) -> int:
    """Print the summary and run Apache, unless only the files were wanted."""
    warn_about_root(settings)
    print(summary(settings, settings.setup_only))
    return 0 if settings.setup_only else launch.run(made.apachectl, settings.debug_mode)


def setup_server(arguments: Sequence[str], command: Sequence[str]) -> int:
    parser = options.make_parser("%s setup-server" % PROGRAM, DESCRIPTION + ".")
    settings, _ = prepare(parser, arguments, command)
    warn_about_root(settings)
    print(summary(settings, True))
    return 0


def print_module_config(module: str) -> None:
    print('LoadModule wsgi_module "%s"' % module)
    print('WSGIPythonHome "%s"' % sys.prefix)


def parse_plain(name: str, arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of a command without options, after it has refused any argument."""
    parser = argparse.ArgumentParser(prog="%s %s" % (PROGRAM, name), description=COMMANDS[name].capitalize() + ".")
    parser.parse_args(arguments)
    return parser


def module_config(arguments: Sequence[str], _command: Sequence[str]) -> int:
    parser = parse_plain("module-config", arguments)
    try:
        print_module_config(platform.module_path())
    except SettingsError as error:
        parser.error(str(error))
    return 0


def module_location(arguments: Sequence[str], _command: Sequence[str]) -> int:
    parser = parse_plain("module-location", arguments)
    try:
        print(platform.module_path())
    except SettingsError as error:
        parser.error(str(error))
    return 0


def install_module(arguments: Sequence[str], _command: Sequence[str]) -> int:
    """Copy the module and the bridge beside it; the module finds the bridge there."""
    name = "install-module"
    parser = argparse.ArgumentParser(prog="%s %s" % (PROGRAM, name), description=COMMANDS[name].capitalize() + ".")
    parser.add_argument("--modules-directory", type=options.path, metavar="DIRECTORY", help="where to copy it")
    given = parser.parse_args(arguments)
    try:
        source = platform.module_path()
        folder = given.modules_directory or platform.apache_facts()["modules_directory"]
        print_module_config(copy_module(source, folder))
    except (SettingsError, OSError) as error:
        parser.error(str(error))
    return 0


def group_command(arguments: Sequence[str], command: Sequence[str]) -> int:
    """Give an order to process groups: status, reload, restart."""
    name = command[1]
    return groups.run(name, "%s %s" % (PROGRAM, name), COMMANDS[name].capitalize() + ".", arguments)


def copy_module(source: str, folder: str) -> str:
    """Copy the module and its bridges and return the new path; a running Apache keeps the files it has open."""
    names = [name for name in os.listdir(os.path.dirname(source)) if name.startswith("wsgi_bridge.")]
    for name in [os.path.basename(source)] + names:
        target = os.path.join(folder, name)
        shutil.copyfile(os.path.join(os.path.dirname(source), name), target + ".new")
        os.chmod(target + ".new", 0o755)
        os.replace(target + ".new", target)
    return os.path.join(folder, os.path.basename(source))


ACTIONS = {
    "start-server": start_server,
    "setup-server": setup_server,
    "status": group_command,
    "reload": group_command,
    "restart": group_command,
    "module-config": module_config,
    "install-module": install_module,
    "module-location": module_location,
}


def start(*arguments: str) -> int:
    """Do what ``start-server`` does; for programs that start a server themselves."""
    return start_server([os.path.expandvars(argument) for argument in arguments], [PROGRAM, "start-server", *arguments])


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command and return the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in ("-h", "--help"):
        print(usage())
        return 0
    if not arguments or arguments[0] not in ACTIONS:
        print(usage(), file=sys.stderr)
        return 2
    expanded = [os.path.expandvars(argument) for argument in arguments[1:]]
    return ACTIONS[arguments[0]](expanded, [PROGRAM] + arguments)


if __name__ == "__main__":
    sys.exit(main())
