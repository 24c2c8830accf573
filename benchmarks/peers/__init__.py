"""What we are measured against: servers as a good programmer would write them without pipeline_net.

Each is a script of its own (``python epoll_echo.py --port 0``), prints the port it got as its first line and serves
127.0.0.1 until SIGTERM.
"""
