"""The embedded Postgres and the supervisor, with real servers and real kills."""
