# What is compiled into what, relative to this folder. Read by Makefile.in and setup.py alike: words are file
# names or patterns, nothing else of make's language may be used here.
CORE = *.c base/*.c wire/*.c stats/*.c config/*.c daemon/*.c httpd/*.c
BRIDGE = bridge/*.c base/wsgi_clock.c base/wsgi_log.c base/wsgi_fields.c base/wsgi_httprules.c base/wsgi_scopes.c
WARNINGS = -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes
