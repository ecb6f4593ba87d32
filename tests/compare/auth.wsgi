"""Access, users and groups for the comparison; query and user choose the answer."""
import hashlib


def allow_access(environ, host):
    return {"yes": True, "no": False, "none": None, "number": 1}.get(environ["QUERY_STRING"], True)


def check_password(environ, user, password):
    if user == "raise":
        raise RuntimeError("no verdict")
    return {"alice": password == "secret", "alias": "other", "empty": "", "one": 1}.get(user)


def get_realm_hash(environ, user, realm):
    return hashlib.md5("{}:{}:secret".format(user, realm).encode()).hexdigest() if user == "alice" else None


def groups_for_user(environ, user):
    return {"alice": ["Staff", b"admins"], "alias": []}.get(user, [])
