"""The program that runs on the GPU machine, apart from everything else. It has a folder of its own, because Python
puts the folder of a script on its path, and nothing else may stand there."""
