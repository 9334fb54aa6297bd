"""A small service company, its clients and their calls, played in through the public API.

`story` reads what there is to tell, `archive` runs the archive, `playing` sends, `people` gather
the evidence, `handing_over` asks for releases and opens them, `report` compares and prints.
"""
