"""The configurations that both modules get, word for word."""

GENERAL = """
<Directory {root}/apps>
  Options +ExecCGI
</Directory>
WSGIScriptAliasMatch ^/match/([a-z]+) {root}/apps/app.wsgi
WSGIScriptAlias /folder {root}/apps
WSGIScriptAlias /sub {root}/apps/app.wsgi
Alias /static {root}/htdocs
WSGIScriptAlias / {root}/apps/app.wsgi
WSGIChunkedRequest On
<Location /limited>
  LimitRequestBody 1000
</Location>
Listen 127.0.0.1:{tls} https
<VirtualHost *:{tls}>
  ServerName localhost
  SSLEngine on
  SSLCertificateFile {certificate}
</VirtualHost>
"""

PROXIED = """
WSGIScriptAlias / {root}/apps/app.wsgi
WSGITrustedProxies 127.0.0.1
WSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Proto X-Forwarded-Host X-Forwarded-Port X-Forwarded-Server X-Script-Name
<Location /untrusted>
  WSGITrustedProxies 10.0.0.0/8
</Location>
"""

AUTHENTICATED = """
WSGIScriptAlias / {root}/apps/app.wsgi
<Location /access>
  WSGIAccessScript {root}/apps/auth.wsgi
</Location>
<LocationMatch ^/(basic|group|othergroup)>
  AuthType Basic
  AuthName realm
  AuthBasicProvider wsgi
  WSGIAuthUserScript {root}/apps/auth.wsgi
  WSGIAuthGroupScript {root}/apps/auth.wsgi
</LocationMatch>
<Location /basic>
  Require valid-user
</Location>
<Location /digest>
  AuthType Digest
  AuthName realm
  AuthDigestProvider wsgi
  WSGIAuthUserScript {root}/apps/auth.wsgi
  Require valid-user
</Location>
<Location /group>
  Require wsgi-group staff
</Location>
<Location /othergroup>
  Require wsgi-group others
</Location>
<Location /passed>
  WSGIPassAuthorization On
</Location>
"""

FLAGGED = """
RewriteEngine On
RewriteRule ^/rewritten/(.*) /new/$1 [PT,E=REWRITTEN:yes,QSA]
ErrorDocument 404 "own document"
SetEnv FROM_SETENV yes
SetEnvIf Request_URI env FROM_SETENVIF=yes
WSGIHandlerScript handled {root}/apps/app.wsgi
AddHandler handled .handled
Alias /file.handled {root}/htdocs/file.handled
Alias /none.handled {root}/htdocs/none.handled
WSGIScriptAlias /gone {root}/apps/gone.wsgi
WSGIScriptAlias /callable {root}/apps/app.wsgi callable-object=handle_request
WSGIScriptAlias /nocallable {root}/apps/app.wsgi callable-object=nothing
WSGIScriptAlias /unknowngroup {root}/apps/app.wsgi process-group=nowhere
WSGIScriptAlias / {root}/apps/app.wsgi
<Location /override>
  WSGIErrorOverride On
</Location>
<Location /head/on>
  WSGIMapHEADToGET On
</Location>
<Location /head/off>
  WSGIMapHEADToGET Off
</Location>
<Location /nochunk>
  WSGIChunkedRequest Off
</Location>
<Location /nopathinfo>
  AcceptPathInfo Off
</Location>
<Location /restricted>
  WSGIRestrictProcess other
</Location>
"""

HTTP2 = """
Protocols h2c http/1.1
WSGIScriptAlias /sub {root}/apps/app.wsgi
WSGIScriptAlias / {root}/apps/app.wsgi
"""

MODULES = ("authn_core", "auth_basic", "auth_digest", "authz_user", "ssl", "socache_shmcb", "http2")
SITES = {"general": GENERAL, "proxied": PROXIED, "authenticated": AUTHENTICATED, "flagged": FLAGGED, "http2": HTTP2}
