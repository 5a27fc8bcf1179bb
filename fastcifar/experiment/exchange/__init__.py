"""Results out to files and in from files, of ours and of NNI.

`export` writes, `importing` reads; `entries` knows the formats, `csv_cells` parameters as columns.
"""
