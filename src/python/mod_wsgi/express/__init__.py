"""The command ``mod_wsgi-express``: a configured Apache for one application, without writing configuration."""
