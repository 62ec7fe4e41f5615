"""Every figure that README.md and docs/ print comes from here: `make figures` computes them and writes them anew.

Three kinds of parts are written: tables between marks (`marks`), what commands print (`console`), and pictures. All
else in a document is written by hand and stays as it is. `documents` names what is computed for which document.
"""
