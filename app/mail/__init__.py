"""Mail: telling people that something waits for them in the archive.

Words: a *letter* is what is told, of which kind and about what; a *mail* is the row of one letter
to one person, from when it was asked for until it was sent. What must hold:

- A mail is asked for in the transaction of what it tells of, and sent by a job after the commit.
- No letter names a client, a number, a call or a reason. Whoever may know finds it in the archive.
- A row says to whom, of which kind, about what and how far it is, never what stands in the letter.
  A link is kept sealed until it was sent, and then forgotten.
- One letter to one person is one row. A server that takes a letter and then is not heard again
  gets it once more under the same Message-ID.
- Without a mail server everything works; what would have been sent is marked so.
"""
