#!/usr/bin/env python3
"""Entry to every management command; finds the data directory and the embedded servers first."""

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036  said in one line instead of a traceback from an import
    sys.exit(
        f"Chargeyard needs Python 3.11 or newer; this is {sys.version.split()[0]} ({sys.executable}). "
        "Install python3.11 (Debian 12 has it) and run the command again with it."
    )


def main() -> None:
    if sys.argv[1:2] == ["up"]:  # starts what the settings need, so it comes before them
        from portal import supervisor

        sys.exit(supervisor.main(sys.argv[2:]))
    if sys.argv[1:2] in (["backup"], ["restore"]):  # start the embedded database where it does not run
        from portal.supervisor import backup

        sys.exit(backup.main(sys.argv[1], sys.argv[2:]))
    from portal import runtime

    runtime.prepare(sys.argv)
    if sys.argv[1:2] == ["simulate"] and "--create" not in sys.argv:  # needs the address of a portal only
        from portal.simulator import cli

        sys.exit(cli.main(sys.argv[2:]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", runtime.settings_module())
    from django.core.management import execute_from_command_line

    from portal import complaint

    try:
        execute_from_command_line(sys.argv)
    except Exception as fault:
        line = None if "--traceback" in sys.argv else complaint.in_one_line(fault)
        if line is None:
            raise
        complaint.let_go()
        sys.exit(line)


if __name__ == "__main__":
    main()
