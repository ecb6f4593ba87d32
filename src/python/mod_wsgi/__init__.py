"""Apache and Python together. Inside the server the built-in module of this name comes first; it searches here too.

Other distributions may add subpackages of this package.
"""

from pkgutil import extend_path as _extend_path

__path__ = _extend_path(__path__, __name__)
del _extend_path
