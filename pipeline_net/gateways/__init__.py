"""Gateways: stages that let somebody else answer: applications of ASGI 3 and WSGI, and other servers.

::

    pipeline-net asgi module:app            pipeline-net wsgi module:app

    from pipeline_net.gateways.asgi_server import run_asgi, serve_asgi       # Starlette, FastAPI, Quart, Django
    from pipeline_net.gateways.wsgi_server import run_wsgi                   # Django, Flask, Bottle

    asgi           AsgiHandler, asgi_stack(): a request becomes a call of the application
    asgi_exchange  one request and its response: HTTP ⇄ messages of ASGI, without waiting
    asgi_call      receive() and send(), which wait; what becomes of exceptions
    asgi_tasks     the coroutine begins at once, as a real task
    asgi_site      the application on one loop: scopes, state, tasks
    lifespan       startup and shutdown
    asgi_server    serve_asgi(), run_asgi(): the whole server
    serving        ServingOptions: what both kinds of servers have in common
    proxy/         a reverse proxy: what is called is another server
    errors         what applications get

Whose X-Forwarded-For is believed, ``pipeline_net.codecs.http.TrustedProxies`` knows.

Nothing is imported here: who serves WSGI needs no asyncio, and who serves ASGI no pool of threads.
"""
