#ifndef WSGI_VERSION_H
#define WSGI_VERSION_H

/* The release, in the one place from which C, setup.py and configure take it. */
#define WSGI_VERSION_MAJOR 7
#define WSGI_VERSION_MINOR 0
#define WSGI_VERSION_PATCH 0
#define WSGI_VERSION_SUFFIX ".dev0"

#define WSGI_STRINGIFY_(x) #x
#define WSGI_STRINGIFY(x) WSGI_STRINGIFY_(x)
#define WSGI_VERSION_TEXT                                                                   \
    WSGI_STRINGIFY(WSGI_VERSION_MAJOR)                                                      \
    "." WSGI_STRINGIFY(WSGI_VERSION_MINOR) "." WSGI_STRINGIFY(WSGI_VERSION_PATCH) WSGI_VERSION_SUFFIX

#endif
