"""A machine that is the same everywhere."""
from mod_wsgi.express.settings import Host


def host(**changes) -> Host:
    values = {
        "uid": 1000, "user": "someone", "group": "people", "directory": "/srv/place", "temporary": "/tmp",
        "locale": "en_GB.UTF-8", "usable_locales": ("en_US.UTF-8", "C.UTF-8"), "python_home": "/opt/python",
        "module": "/opt/mod_wsgi.so", "httpd": "/usr/sbin/apache2", "modules_directory": "/usr/lib/apache2/modules",
        "rotatelogs": "/usr/bin/rotatelogs", "mime_types": "/etc/mime.types",
    }
    return Host(**{**values, **changes})
