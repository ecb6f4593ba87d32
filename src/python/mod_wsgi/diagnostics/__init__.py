"""Small applications to see whether, and how, an application is run."""
