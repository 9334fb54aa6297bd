"""What `audiatur serve` brings along when nothing is configured: a Postgres and a supervisor.

The Postgres here is a real server with its defaults of durability; it belongs to a directory, not
to a process, and outlives whoever started it. The supervisor keeps the processes of the archive
alive. Neither knows anything of the business, so both may be used by any command.
"""
