"""An archive kept busy for an hour, and whether anything of it grows meanwhile.

`life` is what people and programs do with it, `samples` what is read of its processes, folders and
database, `growth` compares the first quarter with the last, `main` runs it and prints the table.
`leak` is what makes it grow on purpose, so that the trial itself is seen to fail.
"""
