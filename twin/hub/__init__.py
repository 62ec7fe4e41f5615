"""The twin of Hugging Face's Hub, as far as files of models are read from it.

    world   repositories, and what goes wrong on request
    server  the two paths of its HTTP interface, and the host with the content to which it redirects

`python -m twin.hub --folder FOLDER` serves `FOLDER/OWNER/NAME/REVISION/...`.
"""
