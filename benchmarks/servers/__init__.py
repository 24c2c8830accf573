"""The same work done with pipeline_net, written as its documentation would write it: handlers are plain Python.

Each is a script of its own (``python echo.py --work framed --port 0``), prints the port it got as its first line and
serves 127.0.0.1 until SIGTERM.
"""
