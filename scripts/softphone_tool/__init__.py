"""Two real softphones on the loopback address, a call between them, and what they recorded.

`sound` makes what the microphones hear, `ports` finds room, `phone` runs one baresip, `call` lets
one ring the other, `main` prints the facts. The phones are baresip 1.0 with its `sndfile` recorder,
which writes what each end sent and received, and its `ctrl_tcp` control port.
"""
