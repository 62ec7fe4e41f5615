"""The program that runs on the GPU machine, apart from everything else. It has a folder of its own: Python puts the
folder of a script on its path, so no other module may lie beside it."""
