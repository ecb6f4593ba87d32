"""Home of the compiled module. The name is kept for old Django projects; use ``mod_wsgi.express``."""

import warnings

warnings.warn("mod_wsgi.server is deprecated: use mod_wsgi.express instead", FutureWarning, stacklevel=2)
